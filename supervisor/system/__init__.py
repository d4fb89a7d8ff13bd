"""Help with the operating system and the language that every layer needs.

- key: what stands for a project in names of folders and files, and in marks (`runtime_dir.py`).
- runtime folder: a supervisor's folder for sockets, closed to other users.
- loss: output that was dropped because its reader did not read (`async_writer.py`).
- inode: the identity of a file or folder, whatever its path.

Imports nothing of ours.
"""

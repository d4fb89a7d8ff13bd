"""`scanonce service`: installs the bot as a service of systemd, launchd or Windows' task scheduler.

- service: the command, account, folder and time limits to install, decided by `plan.py` for every init system alike.
- init system: the program that starts services; one module for each writes a service in its own format.
- scope: the user's own services, or the system's; `install.py` writes and removes the files and runs the commands.

Nothing here starts a bot itself. May import `config`, `process` and `system`.
"""

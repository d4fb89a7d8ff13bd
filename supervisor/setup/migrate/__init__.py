"""`scanonce init`: takes over the configuration of nodemon, npm scripts and pm2, read as their documentation describes.

`discover.py` finds the files and makes a draft of them; `nodemon_file.py` and `pm2.py` each read one format; `draft.py`
holds the settings and writes them as TOML. The only program that is run is node, for a configuration that is a program.
"""

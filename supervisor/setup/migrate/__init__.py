"""`scanonce init`: takes over the configuration of nodemon, npm scripts and pm2, read as their documentation describes.

- source: the file that a setting is from; `discover.py` finds them, and one module for each format reads them.
- draft: the contents of a future `scanonce.toml`; `draft.py` writes it as TOML.
- taken, left: a setting that is taken over, or is not, with the reason.

The only program that is run is node, for a configuration that is a program. May import `config` and `system`.
"""

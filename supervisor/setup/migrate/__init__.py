"""Moving over from nodemon and pm2: their command lines and files, read as their own documentation describes them.

Nothing here is needed by a supervisor that runs; files only, and one short run of node for a configuration that is a
program.
"""

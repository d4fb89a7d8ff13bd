"""Setting a project up: `doctor`, moving over from nodemon and pm2, installing a service.

Only commands import this; a supervisor never does.
"""

"""`scanonce service`: installs the bot as a service of systemd, launchd or Windows' task scheduler.

`plan.py` decides what to run and how; one module for each init system, an `InitSystem`, writes that in its own format;
`install.py` writes and removes the files and runs the commands that go with them. Nothing here starts a bot itself.
"""

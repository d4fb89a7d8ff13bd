"""Making a bot a service of the init system: systemd, launchd, Windows' task scheduler.

`plan.py` settles what is to run and how; one module for each init system writes that down in its own words, all behind
`face.Manager`; `install.py` puts the files in place and takes them away again. Nothing here starts a bot itself.
"""

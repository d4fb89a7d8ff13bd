"""Setting up a project: `scanonce doctor`, `scanonce init` and `scanonce service`.

- doctor: examines a project and reports what would go wrong; `--fix` applies what is safe.
- finding: one result of the doctor, with a verdict and a remedy.
- migrate: writes a `scanonce.toml` from the configuration of nodemon, npm and pm2.
- service: installs the bot as a service of an init system (systemd, launchd, Windows' task scheduler).

Only commands import this package, inside functions: a running supervisor never does. It may import every other package
except `cli`.
"""

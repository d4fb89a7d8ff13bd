"""`scanonce doctor`: finds what would go wrong in a project, and fixes what can be fixed safely.

- check: a function of a `check_*.py` that yields findings and changes nothing; `runner.py` lists and runs them.
- finding: one result of a check: ok, warning, problem or unknown, with what was seen and a remedy.
- fix: a change that a finding carries, which `runner.py` applies on request.
- project: what is known of a bot's folder (configuration, scripts, sources, sessions), read once for all checks.

May import every package below `setup`, and `setup.package_json`.
"""

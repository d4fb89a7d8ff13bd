"""The duration of restarts: measured by phase, recorded, and compared.

- phase: a step of a restart; the phases of a restart add up to its whole time.
- target: the range of seconds that a restart should take at most; a verdict is `ahead`, `within` or `over`.
- history: the database of recorded restarts and events.
- setup: the versions and the configuration that a restart ran with.
- change point: the restart from which on a setup differs.

Imports only `system`.
"""

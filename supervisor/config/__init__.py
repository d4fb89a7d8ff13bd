"""`scanonce.toml` as typed, validated, immutable models. Every default is defined here and nowhere else.

`loader.load` reads the project's file, applies the command line's overrides and returns a `Config`, or raises one
`ConfigError` that lists every mistake with its place.

- section: one table of the file, such as `[stop]`; each has a module of its name in `sections/`.
- option: one key of a section, with its type, default and description.
- override: a value from the command line; it wins over the file.
- mode: `dev` or `run`; a few defaults differ between them.
- issue: one mistake, with its file, line and dotted key.
- identity: a fingerprint of the options that influence the bot, kept with each restart in the history.

Imports only `system`.
"""

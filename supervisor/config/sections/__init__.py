"""One module for each section of `scanonce.toml`: its options with their types, limits, defaults and descriptions.

- section: a table of the file, such as `[stop]`; a frozen model here.
- option: a field of a section; its description becomes the documentation and the comments of `config.example.toml`.
- mode: `dev` or `run`; some defaults differ between the two.

May import `config.types` and `config.modes`, and nothing else of scanonce.
"""

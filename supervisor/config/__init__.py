"""`scanonce.toml` as typed, validated, frozen models; every default lives here and nowhere else.

`load` reads the project's file, lays the command line over it and returns a `Config`, or raises one `ConfigError`
that lists everything that is wrong, each with its place.
"""

"""One module for each section of `scanonce.toml`: its keys, types, limits and defaults."""

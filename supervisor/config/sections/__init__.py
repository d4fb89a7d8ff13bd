"""One module for each section of `scanonce.toml`: its options with their types, limits, defaults and descriptions."""

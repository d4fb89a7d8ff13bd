"""How long a restart took, step by step, how that stands against the target, and the record of it."""

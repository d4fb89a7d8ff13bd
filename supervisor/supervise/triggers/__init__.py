"""What asks for a restart: changed files, keys, a schedule."""

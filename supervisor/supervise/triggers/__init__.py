"""The sources of restarts: changed files, keys, a schedule."""

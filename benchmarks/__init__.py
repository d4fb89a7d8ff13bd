"""Benchmarks of scanonce against the tools in use today."""

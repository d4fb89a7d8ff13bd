"""Measurements against the tools that people use today, and what they need to run."""

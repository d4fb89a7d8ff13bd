"""The command line: parse, call, print. No logic."""

from supervisor.cli.main import main

__all__ = ["main"]

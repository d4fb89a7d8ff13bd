"""Print `docs/events.md`."""

from supervisor.events.reference import reference

print(reference(), end="")

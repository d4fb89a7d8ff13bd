"""Print `docs/events.md`."""

from supervisor.log.events.docgen import reference

print(reference(), end="")

"""The events that scanonce reports: names, fields, sentences. `python -m supervisor.events` prints the reference."""

from supervisor.events.model import Event, EventName, Field, Level
from supervisor.events.registry import EVENTS

__all__ = ["EVENTS", "Event", "EventName", "Field", "Level"]

"""The registry of events: every event with its level, its fields and its sentence.

- event: a fact with a name, such as `session.restored`; `registry.py` collects them all.
- field: one named value of an event, with its type and description.
- sentence: the text that the console prints for an event, made from its fields.
- level: debug, info, warning or error.

`python -m supervisor.log.events` prints the page of documentation. May import `timing.record`, for the names of phases.
"""

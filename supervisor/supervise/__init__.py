"""The supervisor: one state machine, the steps that it orders, and what asks it for something.

- event: anything that happened, as a value in one queue.
- action: what the state machine answers an event with.
- restart: one stop, preparation and start, timed phase by phase.
- trigger: a source of restarts: a changed file, a key, a schedule.

May import everything but `cli`, `setup`, `admin` and `control`, `metrics`, `notify`.
"""

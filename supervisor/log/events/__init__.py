"""The registry of events: names, levels, fields, sentences. `python -m supervisor.log.events` prints the page of it."""

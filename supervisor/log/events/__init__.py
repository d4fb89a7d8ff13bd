"""The events that scanonce reports: names, fields, sentences. `python -m supervisor.log.events` prints the page."""

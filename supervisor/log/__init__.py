"""Events, and the destinations of events and of the bot's output.

- event: something that happened, with a name and fields; all of them are declared in `log.events`.
- sentence: the text of an event for people, on the console and in `scanonce logs`.
- sink: a destination of events or of the bot's output: the console, a log file, a subscriber.
- redaction: the removal of secrets from events.

May import `system`, `config` and `timing`.
"""

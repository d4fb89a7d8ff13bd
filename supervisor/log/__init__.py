"""Events, what is said of them, and where it goes.

- event: something that happened, with a name and fields; every one is declared in `log.events`.
- sink: a place that events or the bot's output go to: the console, a log file, an API client.
- redaction: the removal of secrets from what is written.

May import `system` and `config`.
"""

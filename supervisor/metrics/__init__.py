"""Health and metrics over HTTP for monitoring: `/livez`, `/readyz`, and `/metrics` for Prometheus. Off by default.

- counter: counts events as they are emitted; nothing is polled.
- gauge: a value of the supervisor's status, which is gathered for each scrape.
- label: the name of a session in the metrics, with its phone number masked.

May import `supervise` and what is below it.
"""

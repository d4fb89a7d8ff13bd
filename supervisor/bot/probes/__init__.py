"""How a bot is found to be ready, and to be well.

- readiness: the decision that a start is over (by page, notification, HTTP, output or time).
- liveness: the decision that a running bot has failed although it has not exited.
- symptom: one reason for such a decision.

May import `browser` and what is below it, and `config`.
"""

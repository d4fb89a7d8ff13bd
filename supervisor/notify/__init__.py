"""Messages to people and programs when something needs them: webhooks, chats, mail. Off by default.

- message: an event in words, the same for every target.
- target: a webhook, or a URL of the library apprise.
- outbox: the queue of one target and the task that delivers it, so that a target that hangs delays no other.
- dispatcher: decides which events become messages, and how often.
- hook: a command of the user's that is run for an event.

May import `supervise` and what is below it.
"""

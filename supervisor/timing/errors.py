"""What can go wrong with the record."""


class HistoryError(Exception):
    """The history cannot be read. The message is one sentence for a person; nothing has been changed."""

"""Ways a bot can say that it is ready, other than through its page."""

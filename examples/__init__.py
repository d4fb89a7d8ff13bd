"""An example bot, and what it takes to run it with no network."""

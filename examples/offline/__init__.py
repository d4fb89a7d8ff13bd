"""The example bot without a network: a stand-in for WhatsApp's page, and a scripted phone that links it."""

from examples.offline.bot import SetupError, bot_environment, ensure_node_modules, find_chromium, prepare, profile_of
from examples.offline.devtools import DevTools, PageError
from examples.offline.phone import Counters, Phone, State, Tally

__all__ = [
    "Counters",
    "DevTools",
    "PageError",
    "Phone",
    "SetupError",
    "State",
    "Tally",
    "bot_environment",
    "ensure_node_modules",
    "find_chromium",
    "prepare",
    "profile_of",
]

"""scanonce: a supervisor for bots that live in a browser.

Scan the QR code once, restart as often as you like.
"""

__version__ = "0.1.0"

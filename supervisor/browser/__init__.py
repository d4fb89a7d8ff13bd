"""Chromium: finding it, reading its pages through DevTools, closing it so that it loses nothing.

- profile: the browser's user data folder, which one browser at a time may hold.
- main process: the process of a browser that was started first, and that holds its profile.
- endpoint: the address of a browser's DevTools, which it writes to its profile.
- preset: how to recognise a page and read its session's status (`presets.py`).
- page state: a session's status as its page shows it, with a reason and the QR code.

May import `session`, `http1`, `process` and what is below them.
"""

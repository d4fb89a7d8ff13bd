"""`scanonce demo`: a whatsapp-web.js bot at work without a network, and what scanonce does for it.

- offline bot: the example bot, unchanged, with a stand-in for WhatsApp's page in its library's cache.
- page: that stand-in, `page.html`; it has WhatsApp's origin, links, connects and counts what it writes.
- phone: a script that scans, writes messages and logs out, over a DevTools connection of its own.
- story: the demonstration from start to end; it checks what it shows.

Never loaded by a running supervisor. The tests and benchmarks use the offline bot and the phone as well. May import
what is below `setup`.
"""

"""Warm restarts: the bot's program is replaced, its browsers and their loaded pages are kept.

board    a small memory that supervisor and node share: what is kept, how far the events of each page have got
channel  the socket on which node reports what it does with its browsers
gate     a switch in the page: while it is closed the page's calls to the bot wait, in their order
journal  the calls of a page that no node has answered yet; puppeteer keeps it in the page
kept     a browser whose bot is being replaced
attach   what a new node does instead of a launch: it connects to the kept browser, and takes over its page

`attach.cjs` is the part that runs in node, `page_gate.js` the part that runs in the page. May import `browser`,
`process`, `log`, `config`, `system`.
"""

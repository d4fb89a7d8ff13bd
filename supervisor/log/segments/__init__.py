"""The log files: the bot's output and the events of its runs, on disk.

- writer: `LogWriter` takes output and events without blocking; a thread writes them.
- reader: `LogReader` reads them back, also while they are being written.
- segment: one of the files of a log.

The format. The segments of a log are `<key>-<number>.jsonl`, with the project's key; the one with the highest number is
being written. A segment is only ever appended to, never renamed, and followed by the next number when it is full; so a
reader that follows the log finishes one segment, goes on with the next, and misses nothing. Each line is a JSON object:

    {"ts": "2026-01-02T03:04:05.678901Z", "stream": "stdout", "text": "ready\\n"}    what was read from the bot at once
    {"ts": ..., "stream": "stderr", "base64": "/w=="}                               the same, if it is no UTF-8 text
    {"ts": ..., "level": "info", "event": "bot.started", "pid": 7}                  an event, as on standard error

`text` holds the bytes as they came: any number of lines, or a part of one. After a power cut a segment's last line may
be incomplete; a line that cannot be read is skipped.

May import what `log` may.
"""

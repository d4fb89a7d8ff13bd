"""The log files: what the bot writes and what happens to it, kept on disk.

Knows files only. `Recorder` takes output and events without ever making anyone wait; `LogReader` reads them back, also
while they are being written.

The format. A log is a row of files `<key>-<number>.jsonl`, the project's key first; the one with the highest number is
being written. A file is never changed but at its end, never renamed, and when it is full the next number is begun; so
whoever follows finishes one file and goes on with the next, and misses nothing. Each line is one JSON object:

    {"ts": "2026-01-02T03:04:05.678901Z", "stream": "stdout", "text": "ready\\n"}    what was read from the bot at once
    {"ts": ..., "stream": "stderr", "base64": "/w=="}                               the same, if it is no UTF-8 text
    {"ts": ..., "level": "info", "event": "bot.started", "pid": 7}                  an event, as on standard error

`text` holds the bytes as they came: any number of lines, or a part of one. A file's last line may be torn if the power
went; what cannot be read is passed over.
"""

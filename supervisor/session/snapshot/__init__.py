"""Snapshots: verified copies of a profile that no process had open.

- capture: one snapshot being written, invisible until it is published.
- manifest: the list of a snapshot's files, with sizes and checksums, and how it came to be.
- restore: putting a snapshot in a profile's place; what was there goes to quarantine.
- retention: how many snapshots are kept, and for how long.

May import `session.profiles`, `session.leveldb`, `session.names` and `system`.
"""

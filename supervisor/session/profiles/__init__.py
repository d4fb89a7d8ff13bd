"""A Chromium profile on disk: what it is made of, its marks, its databases, its checks' raw material.

- profile: the folder given to Chromium as `--user-data-dir`.
- baseline: what was recorded of a profile at its last clean stop, to compare with later.
- cache: a part of a profile that a browser makes again; never copied.
- singleton: Chromium's lock (`SingletonLock` and its companions), and the process that it names.

May import `session.leveldb`, `session.names` and `system`.
"""

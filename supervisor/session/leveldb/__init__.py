"""Is a LevelDB database whole? A reader that knows the format, and never changes a byte unless asked to.

- table: an immutable file of sorted keys; log: the writes that are in no table yet.
- MANIFEST: the log of edits that name the live tables and logs; CURRENT names the live MANIFEST.
- batch: the writes that were made at once, with their sequence number.
- tail: the end of a log, whole or torn (an unfinished record).

Imports nothing of scanonce.

Theory of operation
===================

CURRENT names a MANIFEST. The MANIFEST is a log of edits that, added up, name the live tables with their sizes, the
oldest live log, and the last sequence number. Tables never change. Logs hold the writes that are not in a table yet;
each batch of writes carries its sequence number, and the numbers have no gaps. `verify` walks that chain and checks
every checksum on the way. It never compares keys, so the comparator (Chromium has its own for IndexedDB) is no matter.

What is damage, and what is a crash
-----------------------------------

Chromium opens IndexedDB with ``paranoid_checks``: if a record of the MANIFEST or a log, a table's index or a missing
table makes LevelDB say "corruption", Chromium deletes the database and starts with an empty one. Local Storage is
opened without; there a damaged log record is dropped, with the rest of its block. Both are damage here.

A writer that is killed leaves at most an unfinished record at the end of the newest log or of the MANIFEST (measured:
11 times in 500 kills). LevelDB stops reading there, Chromium starts, and nothing that was acknowledged is lost: that is
no damage, and the `Tail` says `torn`. Three things about it matter to a caller:

- A log cut at the end of a record looks like one that was never longer. Only what a clean stop recorded tells:
  compare `last_sequence`, and the newest log's and the MANIFEST's name and `end`, with the report taken then.
- A file cut inside a record looks torn, so after a *clean* stop a torn tail is damage.
- **A torn tail must not stay.** Chromium appends to the log and the MANIFEST that it finds (``reuse_logs``). What it
  appends after half a record cannot be read back: it starts once more as if all were well, and at the start after that
  it finds "corruption" and deletes the database (measured, Chromium 156: a log cut by 3 bytes, or ending in a lone
  header or in zeros, costs all of IndexedDB on the second or third start). `trim_torn_tails` cuts exactly what LevelDB
  would not have read.

Bytes that no reader uses, and that are therefore not covered: up to 6 bytes of padding at the end of each 32 KiB block
of a log or MANIFEST, what follows a torn tail's `end`, the padding inside a table's footer, and files that are not
live. A CURRENT whose digits changed to the name of another MANIFEST that exists is found by what that one lacks.

Sources: LevelDB's doc/ and db/; Chromium's third_party/leveldatabase/env_chromium.cc (options, no buffering: a
record's header and its payload are two writes), content/browser/indexed_db/instance/leveldb/backing_store.cc and
components/services/storage/dom_storage/leveldb/dom_storage_database_leveldb.cc.
"""

"""What a person does to sessions from outside: listing, checking, taking and restoring snapshots, clearing.

It works on the files of a project, whether or not a supervisor runs there; what a running one holds is refused.

- inventory: every session of a project with its profile, its snapshots and what is known of it.
- inspection: one session in full, with every check.
- occupant: the process that has a project or a profile in use.
- operation: one change (take, restore, clear, prune) under the project's lock.

May import `bot` and what is below it.
"""

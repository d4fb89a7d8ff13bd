"""The command line: each command parses its arguments, calls the package that does the work, and prints the result.

`main.main` is the entry point; `app` lists the commands and imports a command's module when it is invoked.

- command: a function in the module of its name, or in that of its group (`session list` in `session`).
- option: an argument that several commands share is defined in `options`.
- document: the JSON object that a command prints with `--json`; its fields are listed in docs/cli.md.
- exit status: 0, or one of those in docs/exit-codes.md; `console.exits` and `console.fail` choose it.

May import every other package. A module imports what its commands need; `main` and `app` import nothing of `supervisor`
but the version, and the modules of `status` and of the supervisor (`run`) import the rest only where it is used.
"""

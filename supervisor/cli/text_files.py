"""Files that commands write for people and their editors."""

import os
from pathlib import Path


def place(file: Path, text: str, *, private: bool = False, backup: Path | None = None) -> None:
    """Put the complete file in place, `private` to its owner; a previous one is moved to `backup`, if that is given."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("x", encoding="utf-8") as stream:  # never through a link that is there
            if private:
                temporary.chmod(0o600)
            stream.write(text)
        if backup is not None and os.path.lexists(file):
            file.replace(backup)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)

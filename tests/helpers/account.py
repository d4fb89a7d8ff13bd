"""A bot without a browser, as one on Baileys: its account is a folder of JSON files, written in place all the time.

    python account.py FOLDER [WORD...]

    tear       on SIGTERM leave `creds.json` and a session empty, as a kill in the midst of a write does
    logout     on SIGTERM remove the folder, as most bots do when the phone has ended the link
    new        do not link

It prints `account IDENTITY`, and `wrote NUMBER` for every write. Without creds that it can read it silently makes a new
account, as Baileys does. Also the files themselves, for tests that need no process.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any


def buffer(data: bytes) -> dict[str, str]:
    """Bytes as Baileys' `BufferJSON` writes them."""
    return {"type": "Buffer", "data": base64.b64encode(data).decode("ascii")}


def pair() -> dict[str, Any]:
    """A pair of keys."""
    return {"private": buffer(os.urandom(32)), "public": buffer(os.urandom(32))}


def new_creds(*, linked: bool = True) -> dict[str, Any]:
    """Creds as `initAuthCreds` makes them, and as the phone completes them."""
    creds = {
        "noiseKey": pair(),
        "signedIdentityKey": pair(),
        "signedPreKey": {"keyPair": pair(), "signature": buffer(os.urandom(64)), "keyId": 1},
        "registrationId": 74,
        "advSecretKey": base64.b64encode(os.urandom(32)).decode("ascii"),
        "nextPreKeyId": 3,
        "registered": False,
    }
    return creds | ({"me": {"id": "15551234567:3@s.whatsapp.net"}} if linked else {})


def write(path: Path, value: object) -> None:
    """Write a file in place."""
    path.write_text(json.dumps(value, separators=(",", ":")))


def make(folder: Path, *, linked: bool = True) -> Path:
    """An account with a few keys."""
    folder.mkdir(parents=True)
    write(folder / "creds.json", new_creds(linked=linked))
    for number in (1, 2):
        write(folder / f"pre-key-{number}.json", pair())
    write(folder / "session-15551234567.0.json", buffer(b"ratchet 1"))
    write(folder / "app-state-sync-key-AAAA__x=.json", {"keyData": "AAAA"})
    write(folder / "lid-mapping-155.json", "99")
    return folder


def identity(folder: Path) -> str:
    """What tells one account from another. Its bot may be writing just now: then the file is read again."""
    for _ in range(100):
        try:
            return str(json.loads((folder / "creds.json").read_text())["noiseKey"]["public"]["data"])
        except ValueError:
            time.sleep(0.01)
    raise AssertionError(f"{folder} holds no creds")


def main(folder: Path, words: list[str]) -> None:
    """Run the bot."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        creds = json.loads((folder / "creds.json").read_text())
    except (OSError, ValueError):
        creds = new_creds(linked="new" not in words)
    print("account", creds["noiseKey"]["public"]["data"], flush=True)
    over: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: over.append(number))
    count = int(creds.get("accountSyncCounter", 0))
    while not over:
        count += 1
        write(folder / "session-15551234567.0.json", buffer(str(count).encode() * 200))
        write(folder / f"pre-key-{count}.json", pair())
        write(folder / "creds.json", creds | {"accountSyncCounter": count})
        print("wrote", count, flush=True)
        time.sleep(0.03)
    if "tear" in words:
        os.truncate(folder / "creds.json", 0)
        os.truncate(folder / "pre-key-1.json", 20)
    if "logout" in words:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

"""What each restart is recorded to have run with: versions that cost nothing to find, a configuration's identity."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from supervisor import __version__
from supervisor.bot.versions import Versions, node_version
from supervisor.config.identity import ConfigIdentity, identify
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.timing.record import Setup

HEADER = "#define NODE_MAJOR_VERSION 20\n#define NODE_MINOR_VERSION 1\n#define NODE_PATCH_VERSION 2\n"


def identity(
    folder: Path, toml: str = "", mode: Mode = Mode.DEV, overrides: Mapping[str, Any] | None = None
) -> ConfigIdentity:
    (folder / "scanonce.toml").write_text(toml)
    return identify(load(folder, mode=mode, overrides=overrides or {}), mode, ["node", "index.js"])


def test_the_same_configuration_has_the_same_fingerprint_however_it_is_written(tmp_path: Path) -> None:
    plain = identity(tmp_path)
    assert len(plain.fingerprint) == 12
    assert identity(tmp_path, "[stop]\ngrace = '50ms'\n") == plain, "the default, written out"
    long, short = identity(tmp_path, "[stop]\ngrace = '1000ms'\n"), identity(tmp_path, overrides={"stop.grace": "1s"})
    assert long == short != plain


@pytest.mark.parametrize("toml", ["[log]\nformat = 'json'\n", "[timing]\ntarget_low = '1s'\n"])
def test_how_it_is_told_is_no_other_configuration(tmp_path: Path, toml: str) -> None:
    assert identity(tmp_path, toml) == identity(tmp_path)


def test_it_says_what_is_not_the_default(tmp_path: Path) -> None:
    found = identity(tmp_path, "[stop]\nclose_timeout = '20s'\n[ready.page]\npoll = '1s'\n[watch]\npaths = ['src']\n")
    assert found.settings == {
        "bot.command": ["node", "index.js"],
        "mode": "dev",
        "ready.page.poll": 1.0,
        "stop.close_timeout": 20.0,
        "watch.paths": ["src"],
    }


def test_the_mode_and_the_command_count(tmp_path: Path) -> None:
    run = identity(tmp_path, mode=Mode.RUN)
    assert run.settings == {"bot.command": ["node", "index.js"], "mode": "run"}, "defaults of run are defaults"
    other = identify(load(tmp_path, mode=Mode.RUN), Mode.RUN, ["node", "other.js"])
    assert len({run.fingerprint, other.fingerprint, identity(tmp_path).fingerprint}) == 3


def test_no_value_of_a_variable_is_in_it_nor_in_its_digest(tmp_path: Path) -> None:
    one, other = (identity(tmp_path, f"[bot]\nenv = {{ TOKEN = '{secret}' }}\n") for secret in ("1234", "9876"))
    assert one == other
    assert one.settings["bot.env"] == ["TOKEN"]


class TestNode:
    def node(self, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        return folder / "node"

    def test_its_version_is_in_the_header_beside_it(self, tmp_path: Path) -> None:
        header = tmp_path / "usr/include/node/node_version.h"
        header.parent.mkdir(parents=True)
        header.write_text(HEADER)
        assert node_version(self.node(tmp_path / "usr/bin")) == "20.1.2"

    @pytest.mark.parametrize("folder", ["versions/node/v18.2.3/bin", "node/18.2.3/bin", "v18.2.3"])
    def test_or_in_the_name_of_a_folder(self, tmp_path: Path, folder: str) -> None:
        assert node_version(self.node(tmp_path / folder)) == "18.2.3"

    def test_else_it_is_not_known(self, tmp_path: Path) -> None:
        assert node_version(self.node(tmp_path / "bin")) is None
        assert node_version(tmp_path / "v18.2.3/bin/python3") is None


def test_a_setup_holds_what_is_known(tmp_path: Path) -> None:
    known = Versions(identity(tmp_path))
    known.note_bot(os.getpid())
    config = known.configuration.fingerprint
    assert known.setup([None, "156.0", "155.0", "156.0"]) == Setup(
        scanonce=__version__, config=config, browser="155.0, 156.0"
    )
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    known.note_bot(gone.pid)
    assert known.setup([]) == Setup(scanonce=__version__, config=config)

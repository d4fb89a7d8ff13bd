"""The files for Docker agree with the repository, with scanonce, and with each other. No image is built here."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.types import parse_duration
from supervisor.setup.service.plan import stop_timeout
from tests import ROOT

FOLDER = ROOT / "examples" / "docker"
INSTRUCTIONS = [
    tuple(line.split(maxsplit=1))
    for line in re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]


def arguments(name: str) -> list[str]:
    return [rest for instruction, rest in INSTRUCTIONS if instruction == name]


@pytest.fixture
def bot() -> Any:
    """The service, as compose reads it."""
    return yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]["bot"]


def test_all_that_is_copied_exists_and_is_let_through() -> None:
    sources = [source for words in arguments("COPY") for source in words.split()[:-1]]
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    ignore = (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
    assert "*" in ignore
    assert {f"!{source}" for source in sources} == {line for line in ignore if line.startswith("!")}


def test_the_image_has_what_the_package_is_built_from() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for name in re.findall(r'^(?:readme = "|license-files = \[")([^"]+)', project, re.MULTILINE):
        assert any(name in words.split() for words in arguments("COPY")), name


def test_pid_1_is_scanonce_and_not_root() -> None:
    [entry] = arguments("ENTRYPOINT")
    [command] = arguments("CMD")
    assert json.loads(entry) + json.loads(command) == ["scanonce", "run", "--", "node", "index.js"]
    last_user = [name for name, _ in INSTRUCTIONS].index("USER")
    assert arguments("USER") == ["node"]
    assert "RUN" not in [name for name, _ in INSTRUCTIONS[last_user:]]


def test_the_base_is_named_without_a_host() -> None:
    [base] = arguments("FROM")
    assert re.fullmatch(r"[a-z]+:[a-z0-9.-]+", base)


def test_the_build_is_found_from_the_compose_file(bot: Any) -> None:
    context = (FOLDER / bot["build"]["context"]).resolve()
    assert context == ROOT
    assert (context / bot["build"]["dockerfile"]).is_file()


def test_compose_waits_longer_than_the_longest_stop(bot: Any, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "scanonce.toml", tmp_path)
    config = load(tmp_path, mode=Mode.RUN)
    assert parse_duration(bot["stop_grace_period"]) > stop_timeout(config)


def test_all_that_must_outlive_the_container_is_in_a_volume(bot: Any, tmp_path: Path) -> None:
    shutil.copy(FOLDER / "scanonce.toml", tmp_path)
    session = load(tmp_path, mode=Mode.RUN).session
    names = [volume.partition(":") for volume in bot["volumes"]]
    kept = [Path(path) for _, _, path in names]
    for path in (Path("/bot/sessions"), Path("/bot") / session.cache, Path("/bot") / session.state_file):
        assert any(path.is_relative_to(folder) for folder in kept), path
    top = yaml.safe_load((FOLDER / "compose.yaml").read_text())["volumes"]
    assert set(top) == {name for name, _, _ in names}, "named, so that they outlive the container"

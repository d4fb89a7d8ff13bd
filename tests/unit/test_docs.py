"""The pages: every link leads somewhere, every command that they name exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from supervisor.cli.app import load
from tests import ROOT
from tests.helpers import build
from tests.helpers.shell import invoke

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*/*.md")])

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the usual renderers form them."""
    headings = _HEADING.findall(_FENCED.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in _LINK.findall(_FENCED.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_the_index_names_every_page_of_the_documentation() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {link.partition("#")[0] for link in _LINK.findall(index.read_text())}
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - linked == {"README.md"}


def test_make_help_lists_every_target_that_the_pages_name() -> None:
    makefile = (ROOT / "Makefile").read_text()
    explained = set(re.findall(r"^([a-z]+):.* ## ", makefile, re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"(?:^    |`)make ([a-z]+)", page.read_text(), re.MULTILINE)}
    assert named
    assert named <= explained


# -- the commands that the pages name ----------------------------------------------------------------------------------

_COMMAND = re.compile(r"(?:^    (?:\$ )?|`)(scanonce [a-z][^`\n#|]*)", re.MULTILINE)
_UNSAFE = {"dev", "run", "init", "demo", "restart", "stop", "ps", "notify", "service"}
"""Commands that start something, or that look beyond the project's folder."""
_CHANGES = {"clear", "take", "restore", "prune"}


def commands() -> list[tuple[str, ...]]:
    """Every scanonce command line of the pages, as words."""
    found = set()
    for page in PAGES:
        if page.name == "CHANGELOG.md":
            continue
        for line in _COMMAND.findall(page.read_text()):
            plain = re.sub(
                r"\[[^\]]*\]|\s{2,}.*|[.,;:)]+$", "", line
            ).strip()  # options in brackets; what is said beside it
            if not re.search(r"[\"'$<>\\]|\.\.\.|[a-z]\|[a-z]", plain):
                found.add(tuple(shlex.split(plain)[1:]))
    return sorted(found)


def command_of(words: tuple[str, ...]) -> tuple[Any, list[str]]:
    """The command that words name, and its arguments."""
    command, rest = load(words[0]), list(words[1:])
    while rest and hasattr(command, "commands") and rest[0] in command.commands:
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def test_the_pages_have_many_commands() -> None:
    assert len(commands()) > 60


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_command_of_the_pages_exists_and_has_the_options_that_they_name(words: tuple[str, ...]) -> None:
    if words[0] in {"help", "COMMAND"}:
        return
    command, rest = command_of(words)
    known = {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help", "-h"}
    options = [word.partition("=")[0] for word in (rest[: rest.index("--")] if "--" in rest else rest)]
    assert [option for option in options if option.startswith("-")] == [
        option for option in options if option in known and option.startswith("-")
    ]


@pytest.mark.parametrize(
    "words", [one for one in commands() if one[0] not in _UNSAFE and not _CHANGES & set(one)], ids=" ".join
)
def test_what_only_looks_can_be_typed_as_it_stands(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build.profile(tmp_path / "sessions" / "session-971505760056")
    (tmp_path / "index.js").write_text("console.log(1)\n")
    monkeypatch.chdir(tmp_path)
    named = {"ID": "971505760056", "NAME": "backup", "FOLDER": ".", "COMMAND": "dev", "FILE": "out"}
    ended = invoke(tmp_path, *(named.get(word, word) for word in words))
    assert ended.status in {0, 1, 2}, ended
    assert "--help has the usage" not in ended.err, ended.err

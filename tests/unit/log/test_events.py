"""The registry of events: complete, documented, and what the program really emits."""

import ast
from collections.abc import Iterator
from typing import Any

import pytest

from supervisor.log.events.docgen import reference
from supervisor.log.events.model import EventSpec, error, string
from supervisor.log.events.registry import EVENTS
from tests import ROOT

RESERVED = {"ts", "level", "event", "exc_info", "stack_info"}

SAMPLES: dict[str, Any] = {
    "string": "some words",
    "integer": 7,
    "number": 1.5,
    "boolean": True,
    "list of strings": ["node", "index.js"],
    "list of integers": [41, 42],
    "object of integers": {"close": 80, "boot": 300},
}
OWN_VALUES = {"outcome": "ready", "target": "ahead", "target_low_s": 5.0, "target_high_s": 10.0}


def sample(event: EventSpec, *, optional: bool) -> dict[str, Any]:
    """Fields as the event might have."""
    return {
        name: OWN_VALUES.get(name, SAMPLES[field.type])
        for name, field in event.fields.items()
        if optional or not field.optional
    }


@pytest.mark.parametrize("event", EVENTS.values(), ids=lambda event: event.name)
@pytest.mark.parametrize("optional", [True, False], ids=["all fields", "required fields"])
def test_every_event_has_a_sentence_of_one_line(event: EventSpec, optional: bool) -> None:
    fields = sample(event, optional=optional)
    event.check(fields)
    sentence = event.describe(fields)
    assert sentence
    assert sentence.isprintable()
    assert "None" not in sentence


def test_no_field_is_named_like_a_key_of_every_line() -> None:
    assert not RESERVED & {name for event in EVENTS.values() for name in event.fields}


def test_a_field_means_the_same_type_everywhere() -> None:
    types: dict[str, str] = {}
    for event in EVENTS.values():
        for name, field in event.fields.items():
            assert types.setdefault(name, field.type) == field.type, f"{event.name}.{name}"


def test_unknown_and_missing_fields_are_named() -> None:
    event = error("error", "", "", a=string(""), b=string("", optional=True))
    event.check({"a": "1"})
    with pytest.raises(TypeError, match="event error: x unknown, a missing"):
        event.check({"b": "1", "x": "2"})


@pytest.mark.parametrize(
    ("name", "fields", "sentence"),
    [
        ("bot.crashed", {"pid": 1, "code": 3, "ran_s": 2.04}, "the bot exited with code 3 after 2.0 s"),
        ("bot.crashed", {"pid": 1, "signal": 9, "ran_s": 2}, "the bot was ended by SIGKILL after 2.0 s"),
        (
            "bot.crashed",
            {"pid": 1, "code": 0, "ran_s": 2, "profile": "/p"},
            "the bot exited with code 0 after 2.0 s, because its browser on /p had crashed",
        ),
        ("bot.exited", {"pid": 1, "signal": 44, "ran_s": 2}, "the bot was ended by signal 44"),
        ("bot.exited", {"pid": 1, "ran_s": 2}, "the bot ended"),
        ("watch.change", {"paths": ["a", "b", "c", "d", "e"]}, "changed: a, b, c and 2 more"),
        ("session.found", {"session": "1", "profile": "p", "linked": False}, "session 1 found, not linked"),
        ("supervisor.leftovers", {"pids": [1]}, "found 1 process of an earlier run; closing cleanly"),
        (
            "supervisor.stopped",
            {"exit_code": 3, "clean": False, "total_ms": 1},
            "stopped, exit code 3  (a browser did not close cleanly)",
        ),
        (
            "session.restored",
            {"session": "1", "profile": "p", "problem": "gone", "snapshot": "backup-1-2", "age_s": 7300.0},
            "session 1: gone; restored backup-1-2, 2 hours old",
        ),
        (
            "session.restored",
            {"session": "1", "profile": "p", "problem": "It is gone.", "snapshot": "backup-1-2", "age_s": 1.0},
            "session 1: It is gone; restored backup-1-2, 1 s old",
        ),
        (
            "snapshot.failed",
            {"session": "1", "reason": "Could not write it: the disk is full."},
            "session 1: the snapshot failed (Could not write it: the disk is full); the one before is untouched",
        ),
        ("error", {"problem": "It is busy.", "remedy": "stop it first"}, "It is busy; stop it first"),
        ("error", {"problem": "It is busy."}, "It is busy."),
    ],
)
def test_sentences(name: str, fields: dict[str, Any], sentence: str) -> None:
    EVENTS[name].check(fields)
    assert EVENTS[name].describe(fields) == sentence


def emits() -> Iterator[tuple[str, ast.Call]]:
    """Every call of `emit` with a literal name in the program."""
    for file in sorted((ROOT / "supervisor").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"), str(file))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", None)) == "emit":
                yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_what_the_program_emits_is_in_the_registry() -> None:
    """Also on the paths that no other test takes."""
    for place, call in emits():
        name = call.args[0]
        if not isinstance(name, ast.Constant):
            continue
        assert isinstance(name.value, str)
        assert name.value in EVENTS, place
        given = {keyword.arg for keyword in call.keywords if keyword.arg is not None}
        fields = EVENTS[name.value].fields
        assert given <= fields.keys(), place
        if all(keyword.arg is not None for keyword in call.keywords):
            assert {name for name, field in fields.items() if not field.optional} <= given, place


def test_the_page_is_current() -> None:
    written = (ROOT / "docs/events.md").read_text(encoding="utf-8")
    assert written == reference(), "print it anew: python -m supervisor.log.events > docs/events.md"

"""When a start counts as over: every rule of `judge`, and what must hold whatever is seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.bot.probes.readiness import Observations, judge
from supervisor.browser.presets import SessionStatus
from supervisor.config.sections.ready import ReadyConfig

READY, LINKED, STARTING = SessionStatus.READY, SessionStatus.LINKED, SessionStatus.STARTING
QR, OUT, BLOCKED, CONFLICT = (
    SessionStatus.NEEDS_LINK,
    SessionStatus.LOGGED_OUT,
    SessionStatus.BLOCKED,
    SessionStatus.CONFLICT,
)

AUTO = ReadyConfig()
PAGE = ReadyConfig.model_validate({"method": "page"})
UP = ReadyConfig.model_validate({"method": "up"})
NOTIFY = ReadyConfig.model_validate({"method": "notify"})
HTTP = ReadyConfig.model_validate({"http": "http://127.0.0.1:3000/"})
OUTPUT = ReadyConfig.model_validate({"output": "ready"})


@pytest.mark.parametrize(
    ("config", "sight", "verdict"),
    [
        # Nothing has been seen yet.
        (AUTO, Observations(), None),
        (AUTO, Observations(settled=True), "ready"),
        # A linked session whose browser is not opened.
        (AUTO, Observations(awaited=True), None),
        (AUTO, Observations(awaited=True, settled=True), "waiting_for_browser"),
        (AUTO, Observations(awaited=True, missing=1, settled=True), "waiting_for_browser"),
        (AUTO, Observations(awaited=True, signalled=True), "ready"),
        # One browser whose page can be read.
        (AUTO, Observations((STARTING,)), None),
        (AUTO, Observations((STARTING,), settled=True), None),
        (AUTO, Observations((LINKED,), settled=True), None),
        (AUTO, Observations((READY,)), "ready"),
        (AUTO, Observations((QR,)), "needs_link"),
        (AUTO, Observations((OUT,)), "needs_link"),
        (AUTO, Observations((BLOCKED,)), "needs_link"),
        (AUTO, Observations((CONFLICT,)), "needs_link"),
        # One whose page cannot be read, or is none that we know.
        (AUTO, Observations((None,)), None),
        (AUTO, Observations((None,), settled=True), "ready"),
        (PAGE, Observations((None,), settled=True), None),
        # Two accounts.
        (AUTO, Observations((READY, STARTING)), None),
        (AUTO, Observations((READY, READY)), "ready"),
        (AUTO, Observations((READY, None)), "ready"),
        (AUTO, Observations((READY, QR)), "needs_link"),
        (AUTO, Observations((STARTING, QR)), None),
        (AUTO, Observations((READY,), missing=1), None),
        (AUTO, Observations((QR,), missing=1), None),
        (AUTO, Observations((READY,), missing=1, settled=True), "ready"),
        # The bot's own word.
        (AUTO, Observations((STARTING,), signalled=True), "ready"),
        (AUTO, Observations((STARTING,), missing=1, signalled=True), "ready"),
        (NOTIFY, Observations((READY,), settled=True), None),
        (NOTIFY, Observations(signalled=True), "ready"),
        (HTTP, Observations((READY,), settled=True), None),
        (HTTP, Observations((), signalled=True), "ready"),
        (OUTPUT, Observations((READY,), settled=True), None),
        (OUTPUT, Observations((QR,)), "needs_link"),
        # What is configured, and nothing else.
        (PAGE, Observations((), settled=True), None),
        (PAGE, Observations((READY,)), "ready"),
        (UP, Observations((STARTING,), settled=True), "ready"),
        (UP, Observations((READY,)), None),
        (UP, Observations((QR,)), "needs_link"),
    ],
)
def test_a_start_is_over_when(config: ReadyConfig, sight: Observations, verdict: str | None) -> None:
    assert judge(sight, config) == verdict


pages = st.lists(st.none() | st.sampled_from(SessionStatus), max_size=3).map(tuple)
sights = st.builds(Observations, pages, st.integers(0, 2), st.booleans(), st.booleans())
configs = st.sampled_from([AUTO, PAGE, UP, NOTIFY, HTTP, OUTPUT])


@given(sights, configs)
def test_who_waits_for_a_person_is_never_called_ready(sight: Observations, config: ReadyConfig) -> None:
    waiting = any(status in (QR, OUT, BLOCKED, CONFLICT) for status in sight.pages)
    if waiting and all(status in (None, READY, QR, OUT, BLOCKED, CONFLICT) for status in sight.pages):
        assert judge(sight, config) != "ready"
    if judge(sight, config) == "needs_link":
        assert waiting


@given(sights, configs)
def test_nothing_is_over_before_anything_was_seen(sight: Observations, config: ReadyConfig) -> None:
    if not sight.pages and not sight.signalled and not sight.settled:
        assert judge(sight, config) is None


@given(pages, st.booleans(), configs)
def test_the_order_of_browsers_does_not_matter(
    pages: tuple[SessionStatus | None, ...], on: bool, config: ReadyConfig
) -> None:
    assert judge(Observations(pages, settled=on), config) == judge(Observations(pages[::-1], settled=on), config)

"""The table of `state_machine.py`, held to its promises on generated sequences of events, and cell by cell."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from supervisor.supervise.state_machine import (
    CRASH_LOOP,
    NEVER_BECAME_READY,
    WOULD_NOT_DIE,
    Action,
    After,
    Event,
    Policy,
    Stage,
    State,
    begin,
    step,
)
from supervisor.supervise.state_machine import EventKind as Kind
from supervisor.system.backoff import backoff

DEVELOPMENT = Policy(rest_after_exit=True)
PRODUCTION = Policy(rest_after_exit=False, limit=3, window=60.0, reset_after=30.0, final_codes=frozenset({0, 78}))

#: What a step that is under way reports when it has finished.
REPORTS = {
    Action.CHECK: (Kind.PASSED, Kind.REFUSED),
    Action.BRING_DOWN: (Kind.DOWN, Kind.NOT_DOWN),
    Action.PREPARE: (Kind.PREPARED, Kind.UNPREPARED),
    Action.AWAIT_DEATH: (Kind.DOWN,),
}

#: What may be told at any time, also too late or without any cause.
UNASKED = (
    Kind.RESTART,
    Kind.CHANGED,
    Kind.EXITED,
    Kind.UNSCANNED,
    Kind.FELLED,
    Kind.BROWSER_LOST,
    Kind.UNHEALTHY,
    Kind.READY,
    Kind.WAITING,
    Kind.NEVER_READY,
    Kind.BACKOFF_OVER,
)


class World:
    """What the actions bring about. Asserts that each of them is allowed when it is asked for."""

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.queue: deque[Event] = deque()
        self.under_way: Action | None = None
        self.bots = 0
        self.frozen = False
        self.proven = False  # that no bot runs, since the last spawn
        self.spawns = 0
        self.spawn_fails = False
        self.quit_codes: list[int] = []
        self.now = 0.0
        self.state, actions = begin()
        self.carry_out(actions)

    def post(self, kind: Kind, code: int = 0) -> None:
        self.queue.append(Event(kind, code, self.now))

    def deliver(self) -> None:
        """Let the table have the oldest event."""
        event = self.queue.popleft()
        if event.kind is Kind.QUIT and self.state.stage is not Stage.ENDED:
            self.quit_codes.append(event.code)
        self.state, actions = step(self.state, event, self.policy)
        self.carry_out(actions)

    def carry_out(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            getattr(self, f"on_{action.value}")()

    def on_check(self) -> None:
        assert self.under_way is None
        assert self.bots == 1, "nothing to freeze"
        self.under_way = Action.CHECK
        self.frozen = True

    def on_thaw(self) -> None:
        assert self.under_way is None, "thawed while it is checked"
        assert self.frozen, "a thaw of a bot that was not frozen"
        self.frozen = False

    def on_listen(self) -> None:
        assert self.under_way is None
        assert self.state.stage in {Stage.STARTING, Stage.UP, Stage.RESTING}, "nobody would answer"

    def on_bring_down(self) -> None:
        assert self.under_way in {None, Action.CHECK}  # a check is cut short, and then reports nothing
        self.under_way = Action.BRING_DOWN
        self.frozen = self.bots > 0

    def on_prepare(self) -> None:
        assert self.under_way is None
        assert self.proven, "a profile is worked on that a process may hold"
        assert self.bots == 0
        self.under_way = Action.PREPARE

    def on_await_death(self) -> None:
        assert self.under_way is None
        self.under_way = Action.AWAIT_DEATH

    def on_spawn(self) -> None:
        assert self.under_way is None
        assert self.proven, "a start without proof that the last bot is gone"
        assert self.bots == 0, "two bots"
        assert not self.quit_codes, "a start after a quit"
        if self.spawn_fails:
            self.queue.appendleft(Event(Kind.SPAWN_FAILED, 127, self.now))
            return
        self.bots += 1
        self.spawns += 1
        self.proven = False

    def on_hurry(self) -> None:
        assert self.state.stage is Stage.CLOSING

    on_kill = on_hurry

    def on_start_backoff(self) -> None:
        assert self.bots == 0
        assert self.state.streak, "a pause after no failure"

    def on_give_up(self) -> None:
        follows = After.REST if self.policy.rest_after_exit else After.END
        assert (self.state.stage, self.state.after) == (Stage.CLOSING, follows)
        assert len(self.state.failures) == self.policy.limit

    def on_end(self) -> None:
        assert self.state.stage is Stage.ENDED

    def finish(self, good: bool) -> None:
        """The step under way ends, and says how."""
        done, self.under_way = self.under_way, None
        assert done is not None
        report = REPORTS[done][0 if good else -1]
        if done is Action.BRING_DOWN:
            self.frozen = False  # thawed or ended, whichever way it went
        if report is Kind.DOWN and done is Action.BRING_DOWN:
            self.bots = 0
            self.proven = True
        self.post(report)

    def check(self) -> None:
        """What must hold between any two events."""
        assert self.bots <= 1
        if self.bots and not self.state.bot_may_run:
            assert (self.state.stage, self.state.exit_code) == (Stage.ENDED, WOULD_NOT_DIE)
        checked = any(event.kind in REPORTS[Action.CHECK] for event in self.queue)
        if self.frozen:
            at_it = self.under_way in {Action.BRING_DOWN, Action.CHECK} or checked
            assert at_it, "frozen, and nobody is at it"
        if self.state.stage is Stage.ENDED and self.under_way is not Action.PREPARE:
            assert not self.frozen
        reported = any(event.kind in REPORTS.get(action, ()) for action in REPORTS for event in self.queue)
        if self.state.stage in {Stage.CLOSING, Stage.PREPARING, Stage.STUCK, Stage.CHECKING}:
            assert self.under_way is not None or reported, "nothing will ever be reported"


class Lifecycles(RuleBasedStateMachine):
    """Any order of events that the outside can bring about."""

    policies: ClassVar = st.sampled_from([DEVELOPMENT, PRODUCTION])

    @initialize(policy=policies)
    def start(self, policy: Policy) -> None:
        self.world = World(policy)
        self.ended_with: int | None = None

    @rule(kind=st.sampled_from(UNASKED), code=st.sampled_from([0, 1, 78, 137]))
    def told(self, kind: Kind, code: int) -> None:
        self.world.post(kind, code)

    @rule(code=st.sampled_from([0, 130, 143]))
    def asked_to_quit(self, code: int) -> None:
        self.world.post(Kind.QUIT, code)

    @precondition(lambda self: self.world.under_way is not None)
    @rule(good=st.sampled_from([True, True, True, False]))  # mostly well, so that sequences get far
    def finish(self, good: bool) -> None:
        self.world.finish(good)

    @precondition(lambda self: self.world.queue)
    @rule()
    def deliver(self) -> None:
        self.world.deliver()

    @precondition(lambda self: self.world.queue)
    @rule()
    def deliver_all(self) -> None:
        while self.world.queue:
            self.world.deliver()

    @rule(seconds=st.sampled_from([0.1, 10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.world.now += seconds

    @rule(fails=st.booleans())
    def command_breaks(self, fails: bool) -> None:
        self.world.spawn_fails = fails

    @invariant()
    def promises_hold(self) -> None:
        self.world.check()

    @invariant()
    def the_end_is_final(self) -> None:
        if self.ended_with is not None:
            assert self.world.state.stage is Stage.ENDED
            assert self.world.state.exit_code == self.ended_with
        elif self.world.state.stage is Stage.ENDED:
            self.ended_with = self.world.state.exit_code

    @invariant()
    def the_first_quit_settles_the_exit_status(self) -> None:
        if self.world.quit_codes and self.world.state.stage is not Stage.ENDED:
            assert self.world.state.exit_code == self.world.quit_codes[0]

    def teardown(self) -> None:
        """Whatever has happened: a quit ends it, within a few steps, if each step reports."""
        world = getattr(self, "world", None)
        if world is None:
            return
        world.post(Kind.QUIT, 143)
        for _ in range(3):
            while world.queue:
                world.deliver()
                world.check()
            if world.under_way is not None:
                world.finish(good=True)
        assert world.state.stage is Stage.ENDED
        assert not world.frozen
        if world.quit_codes:
            assert world.state.exit_code in {world.quit_codes[0], WOULD_NOT_DIE}


Lifecycles.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestLifecycles = Lifecycles.TestCase


def test_a_change_that_waits_while_the_command_breaks_is_not_checked_without_a_bot() -> None:
    world = World(DEVELOPMENT)
    world.finish(good=True)
    world.deliver()
    world.spawn_fails = True
    world.finish(good=True)
    world.post(Kind.CHANGED)
    while world.queue:
        world.deliver()
    assert world.state.stage is Stage.ENDED


# -- the table, cell by cell -------------------------------------------------------------------------------------------

#: The cells that do nothing: (what is told, in which phases it means nothing).
SILENT: dict[Kind, set[Stage]] = {
    Kind.RESTART: {Stage.ENDED},
    Kind.QUIT: {Stage.ENDED},
    Kind.CHANGED: {Stage.CHECKING, Stage.ENDED},
    Kind.PASSED: set(Stage) - {Stage.CHECKING},
    Kind.REFUSED: set(Stage) - {Stage.CHECKING},
    Kind.EXITED: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.UNSCANNED: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.FELLED: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.BROWSER_LOST: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.UNHEALTHY: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.READY: set(Stage) - {Stage.STARTING, Stage.UP, Stage.CHECKING},
    Kind.WAITING: set(Stage) - {Stage.STARTING, Stage.CHECKING},
    Kind.NEVER_READY: set(Stage) - {Stage.STARTING},
    Kind.DOWN: set(Stage) - {Stage.CLOSING, Stage.STUCK},
    Kind.NOT_DOWN: set(Stage) - {Stage.CLOSING},
    Kind.PREPARED: set(Stage) - {Stage.PREPARING},
    Kind.UNPREPARED: set(Stage) - {Stage.PREPARING},
    Kind.SPAWN_FAILED: set(Stage) - {Stage.STARTING},
    Kind.PROGRAM_GONE: set(Stage) - {Stage.STARTING},
    Kind.BACKOFF_OVER: set(Stage) - {Stage.BACKOFF},
}

states = st.builds(
    State,
    stage=st.sampled_from(Stage),
    after=st.sampled_from(After),
    exit_code=st.integers(0, 255),
    quits=st.integers(0, 4),
    ready_at=st.none() | st.floats(0, 1e6),
    ever_ready=st.booleans(),
    served=st.floats(0, 1e6),
    failures=st.lists(st.floats(0, 1e6), max_size=4).map(tuple),
    streak=st.integers(0, 9),
)


def test_every_kind_of_event_is_in_the_list_of_silent_cells() -> None:
    assert SILENT.keys() == set(Kind)


@pytest.mark.parametrize("policy", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("stage", Stage)
def test_each_cell_does_something_unless_it_is_listed_as_silent(stage: Stage, kind: Kind, policy: Policy) -> None:
    answers = [
        (state, step(state, Event(kind, code=7, at=5.0), policy))
        for after in After
        for quits in range(4)
        for state in [State(stage=stage, after=after, quits=quits)]
    ]
    silent = all(answer == (state, ()) for state, answer in answers)
    in_development = kind is Kind.NEVER_READY and policy is DEVELOPMENT  # the user is looking at it
    assert silent == (stage in SILENT[kind] or in_development)


@given(state=states, kind=st.sampled_from(Kind), policy=st.sampled_from([DEVELOPMENT, PRODUCTION]))
def test_the_table_answers_every_event_in_every_state(state: State, kind: Kind, policy: Policy) -> None:
    following, actions = step(state, Event(kind, 1, 1e6), policy)
    assert (following.stage is Stage.ENDED) == (state.stage is Stage.ENDED or Action.END in actions)
    assert (Action.SPAWN in actions) == (following.stage is Stage.STARTING and state.stage is Stage.PREPARING)
    if Action.SPAWN in actions:
        assert kind is Kind.PREPARED
    if Action.PREPARE in actions:
        assert kind is Kind.DOWN
        assert state.stage is Stage.CLOSING, "only a proof that has just been made counts"


# -- from one state to the next ----------------------------------------------------------------------------------------


def after(*events: Event | Kind, policy: Policy = DEVELOPMENT, state: State | None = None) -> State:
    """The state that follows."""
    state = begin()[0] if state is None else state
    for event in events:
        state, _ = step(state, event if isinstance(event, Event) else Event(event), policy)
    return state


STARTED = (Kind.DOWN, Kind.PREPARED)
UP = (*STARTED, Kind.READY)


def test_a_start_closes_what_was_left_behind_then_prepares_then_spawns() -> None:
    state, actions = begin()
    taken = list(actions)
    for kind in UP:
        state, actions = step(state, Event(kind), DEVELOPMENT)
        taken += actions
    assert taken == [Action.BRING_DOWN, Action.PREPARE, Action.SPAWN]
    assert state.stage is Stage.UP


def test_a_change_while_the_bot_goes_down_needs_no_restart_of_its_own() -> None:
    closing = after(*UP, Kind.RESTART)
    assert step(closing, Event(Kind.RESTART), DEVELOPMENT) == (closing, ())
    preparing = after(*UP, Kind.RESTART, Kind.DOWN)
    assert step(preparing, Event(Kind.RESTART), DEVELOPMENT) == (preparing, ())


def test_a_change_while_the_bot_starts_restarts_it() -> None:
    assert step(after(*STARTED), Event(Kind.RESTART), DEVELOPMENT)[1] == (Action.BRING_DOWN,)


@pytest.mark.parametrize("before", [STARTED, UP], ids=["starting", "up"])
def test_a_changed_file_is_checked_before_the_bot_is_brought_down(before: tuple[Kind, ...]) -> None:
    running = after(*before)
    checking, actions = step(running, Event(Kind.CHANGED), DEVELOPMENT)
    assert (checking.stage, actions) == (Stage.CHECKING, (Action.CHECK,))
    assert step(checking, Event(Kind.CHANGED), DEVELOPMENT) == (checking, ())
    assert step(checking, Event(Kind.PASSED), DEVELOPMENT)[1] == (Action.BRING_DOWN,)
    assert step(checking, Event(Kind.REFUSED), DEVELOPMENT) == (running, (Action.THAW, Action.LISTEN))


def test_a_bot_that_became_ready_while_it_was_checked_is_up_after_that() -> None:
    assert after(*STARTED, Kind.CHANGED, Kind.READY, Kind.REFUSED).stage is Stage.UP


@pytest.mark.parametrize("kind", [Kind.RESTART, Kind.EXITED, Kind.FELLED, Kind.BROWSER_LOST, Kind.UNHEALTHY])
def test_whatever_ends_a_bot_that_is_being_checked_has_a_start_follow(kind: Kind) -> None:
    closing, actions = step(after(*UP, Kind.CHANGED), Event(kind, 1), DEVELOPMENT)
    assert (closing.after, actions) == (After.START, (Action.BRING_DOWN,))


def test_a_crash_in_development_waits_for_the_next_change() -> None:
    resting = after(*UP, Event(Kind.EXITED, 1), *STARTED)
    assert resting.stage is Stage.RESTING
    assert after(Kind.RESTART, state=resting).after is After.START


def test_a_change_during_the_stop_after_a_crash_starts_the_bot_again() -> None:
    assert after(*UP, Event(Kind.EXITED, 1), Kind.RESTART, *STARTED).stage is Stage.STARTING


def test_in_development_a_browser_that_crashes_is_tried_again_until_it_has_too_often() -> None:
    policy = replace(DEVELOPMENT, limit=2)
    tried = after(*UP, Kind.FELLED, *STARTED, policy=policy)
    assert (tried.stage, tried.streak) == (Stage.BACKOFF, 1)
    closing, actions = step(after(Kind.BACKOFF_OVER, *UP, policy=policy, state=tried), Event(Kind.FELLED), policy)
    assert (closing.after, actions) == (After.REST, (Action.GIVE_UP, Action.BRING_DOWN))
    resting = after(*STARTED, policy=policy, state=closing)
    assert resting.stage is Stage.RESTING
    again = after(Kind.RESTART, *UP, Kind.FELLED, *STARTED, policy=policy, state=resting)
    assert again.stage is Stage.BACKOFF, "what is tried after a change is counted anew"


def test_in_development_a_browser_that_crashes_during_the_start_is_left_to_be_looked_at() -> None:
    assert after(*STARTED, Kind.FELLED, *STARTED).stage is Stage.RESTING


def test_in_production_a_bot_whose_browser_crashed_is_tried_again_whatever_its_status() -> None:
    assert after(*UP, Event(Kind.EXITED, 0), policy=PRODUCTION).after is After.END
    assert after(*UP, Event(Kind.FELLED, 0), policy=PRODUCTION).after is After.BACKOFF


@pytest.mark.parametrize("ready", [True, False])
def test_a_crash_loop_ends_with_a_status_that_tells_whether_it_ever_was_ready(ready: bool) -> None:
    state = begin()[0]
    for at in (1.0, 2.0, 3.0):
        assert state.stage is not Stage.ENDED
        state = after(*(UP if ready else STARTED), policy=PRODUCTION, state=state)
        state = after(Event(Kind.EXITED, 1, at), *STARTED, policy=PRODUCTION, state=state)
        if state.stage is Stage.BACKOFF:
            state = after(Kind.BACKOFF_OVER, policy=PRODUCTION, state=state)
    assert state.stage is Stage.ENDED
    assert state.exit_code == (CRASH_LOOP if ready else NEVER_BECAME_READY)


# -- what counts as a failure ------------------------------------------------------------------------------------------

FAILURES = (Kind.EXITED, Kind.FELLED, Kind.BROWSER_LOST, Kind.UNHEALTHY)
seconds = st.floats(0, 1e5)


@dataclass
class Career:
    """A bot in production from one run to the next, and the clock on its wall."""

    state: State = field(default_factory=lambda: begin()[0])
    now: float = 0.0
    given_up: bool = False
    policy: Policy = PRODUCTION

    def run(self, end: Kind, *, start: float = 0.0, service: float | None = None, pause: float = 0.0) -> None:
        """Start it, have it serve for so many seconds (None: it never becomes ready), and end it."""
        self.tell(Kind.DOWN, Kind.PREPARED)
        assert self.state.stage is Stage.STARTING
        self.now += start
        if service is not None:
            self.tell(Kind.READY)
            self.now += service
        self.tell(end)
        if self.state.after is After.BACKOFF:
            self.tell(Kind.DOWN, Kind.PREPARED)
            self.now += pause
            self.tell(Kind.BACKOFF_OVER)

    def tell(self, *kinds: Kind) -> None:
        for kind in kinds:
            self.state, actions = step(self.state, Event(kind, 1, self.now), self.policy)
            self.given_up |= Action.GIVE_UP in actions


@given(
    st.lists(st.tuples(st.sampled_from([*FAILURES, Kind.NEVER_READY]), seconds, seconds), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_a_bot_that_fails_at_each_start_is_given_up_however_long_it_takes_to_fail(
    failures: list[tuple[Kind, float, float]], restarts: list[bool]
) -> None:
    """Also one that hangs: neither that, nor the pauses, nor restarts in between make its failures older."""
    career = Career()
    for (kind, start, pause), restarted in zip(failures, restarts, strict=True):
        assert not career.given_up
        if restarted:
            career.run(Kind.RESTART, start=start)
        career.run(kind, start=start, pause=pause)
    assert career.given_up
    assert (career.state.after, career.state.exit_code) == (After.END, NEVER_BECAME_READY)


@given(st.lists(st.tuples(st.sampled_from([*FAILURES, Kind.RESTART]), st.floats(30, 1e5)), min_size=1, max_size=12))
def test_what_happens_after_long_service_never_counts(runs: list[tuple[Kind, float]]) -> None:
    career = Career()
    for kind, service in runs:
        career.run(kind, service=service)
        assert career.state.failures == ()
        assert career.state.streak == (0 if kind is Kind.RESTART else 1), "the shortest pause"
    assert not career.given_up


@given(st.lists(st.none() | st.floats(0, 29), max_size=12), st.lists(st.floats(0, 29), max_size=2))
def test_restarts_that_are_asked_for_never_count(services: list[float | None], crashes: list[float]) -> None:
    career = Career()
    for service in crashes:
        career.run(Kind.EXITED, service=service)
    before = career.state.streak, career.state.failures
    for service_or_none in services:
        career.run(Kind.RESTART, service=service_or_none)
        assert (career.state.streak, career.state.failures) == before
        assert career.state.after is After.START, "at once, without a pause"


@given(st.lists(st.floats(0, 19.9), min_size=3, max_size=3))
def test_failures_soon_after_readiness_count_while_the_bot_serves_less_than_the_window(services: list[float]) -> None:
    career = Career()
    for service in services:
        assert not career.given_up
        career.run(Kind.EXITED, service=service)
    assert career.given_up
    assert career.state.exit_code == CRASH_LOOP


def test_failures_before_the_window_do_not_count_but_the_pauses_grow() -> None:
    career = Career(policy=replace(PRODUCTION, window=50.0))
    for number in range(1, 20):
        career.run(Kind.EXITED, service=29.0)
        assert career.state.streak == number
        assert len(career.state.failures) <= 2
    assert not career.given_up, "never three within fifty seconds of service"


def test_what_has_served_long_before_a_restart_that_was_asked_for_starts_to_count_anew() -> None:
    career = Career()
    career.run(Kind.EXITED, service=1.0)
    career.run(Kind.EXITED, service=1.0)
    career.run(Kind.RESTART, service=30.0)
    career.run(Kind.EXITED, service=1.0)
    assert len(career.state.failures) == 1
    assert career.state.streak == 1


def test_a_pause_grows_by_doubling_up_to_its_longest_and_is_spread() -> None:
    def pause(failures: int, share: float) -> float:
        return backoff(failures, initial=1.0, longest=300.0, spread=lambda low, high: low + share * (high - low))

    assert [pause(number, 1.0) for number in (1, 2, 3, 9, 10, 11, 10_000)] == [1, 2, 4, 256, 300, 300, 300]
    assert [pause(number, 0.0) for number in (1, 2, 10_000)] == pytest.approx([0.8, 1.6, 240])


@given(st.integers(0, 10**6), st.floats(0.001, 10), st.floats(10, 1e6))
def test_a_pause_is_never_longer_than_the_longest(failures: int, initial: float, longest: float) -> None:
    assert 0.8 * initial <= backoff(failures, initial=initial, longest=longest) <= longest


@pytest.mark.parametrize("kind", [Kind.BROWSER_LOST, Kind.UNHEALTHY])
def test_a_bot_of_no_use_is_restarted_at_once_in_development(kind: Kind) -> None:
    closing = after(*UP, kind)
    assert (closing.stage, closing.after, closing.streak) == (Stage.CLOSING, After.START, 0)


def test_a_bot_that_ends_on_purpose_ends_the_supervisor_with_its_own_status() -> None:
    ended = after(*UP, Event(Kind.EXITED, 78), *STARTED, policy=PRODUCTION)
    assert (ended.stage, ended.exit_code, ended.failures) == (Stage.ENDED, 78, ())


def test_a_bot_that_never_becomes_ready_is_a_failure_in_production_only() -> None:
    assert after(*STARTED, Kind.NEVER_READY).stage is Stage.STARTING
    closing = after(*STARTED, Event(Kind.NEVER_READY, at=3.0), policy=PRODUCTION)
    assert (closing.stage, closing.after, closing.streak) == (Stage.CLOSING, After.BACKOFF, 1)


def test_profiles_that_cannot_be_put_in_order_are_tried_again_after_a_pause_and_counted_once() -> None:
    state = after(Kind.DOWN, Event(Kind.UNPREPARED, at=1.0), policy=PRODUCTION)
    state = after(Kind.DOWN, Event(Kind.UNPREPARED, at=1.1), policy=PRODUCTION, state=state)
    assert (state.stage, state.streak, len(state.failures)) == (Stage.BACKOFF, 1, 1)


def test_profiles_that_cannot_be_put_in_order_wait_for_a_change_in_development() -> None:
    assert after(Kind.DOWN, Kind.UNPREPARED).stage is Stage.RESTING


def test_profiles_that_cannot_be_put_in_order_do_not_hold_up_an_end() -> None:
    ended = after(*UP, Event(Kind.QUIT, 143), Kind.DOWN, Kind.UNPREPARED)
    assert (ended.stage, ended.exit_code) == (Stage.ENDED, 143)


@pytest.mark.parametrize("policy", [DEVELOPMENT, PRODUCTION], ids=["development", "production"])
@pytest.mark.parametrize("kind", UNASKED)
def test_nothing_overrides_a_quit(kind: Kind, policy: Policy) -> None:
    told = Event(kind, 1, 5.0)
    quitting = (Event(Kind.QUIT, 130), told, Kind.DOWN, told, Kind.PREPARED, told)
    for before in (
        (),
        STARTED,
        UP,
        (*UP, Kind.RESTART),
        (*UP, Kind.CHANGED),
        (*UP, Event(Kind.EXITED, 1)),
    ):
        ended = after(*before, *quitting, policy=policy)
        assert (ended.stage, ended.exit_code) == (Stage.ENDED, 130)


def test_the_second_quit_hurries_and_the_third_kills() -> None:
    state, taken = after(*UP), []
    for _ in range(4):
        state, actions = step(state, Event(Kind.QUIT, 130), DEVELOPMENT)
        taken.append(actions)
    assert taken == [(Action.BRING_DOWN,), (Action.HURRY,), (Action.KILL,), (Action.KILL,)]


def test_work_on_a_profile_is_finished_before_the_end_unless_it_is_asked_for_a_third_time() -> None:
    preparing = after(*UP, Event(Kind.QUIT, 130), Kind.DOWN)
    second = after(Event(Kind.QUIT, 143), state=preparing)
    third = after(Event(Kind.QUIT, 143), state=second)
    assert [state.stage for state in (preparing, second, third)] == [Stage.PREPARING, Stage.PREPARING, Stage.ENDED]
    assert third.exit_code == 130


def test_a_process_that_will_not_die_keeps_everything_from_starting() -> None:
    stuck = after(*UP, Kind.RESTART, Kind.NOT_DOWN)
    assert stuck.stage is Stage.STUCK
    assert step(stuck, Event(Kind.RESTART), DEVELOPMENT) == (stuck, ())
    again, actions = step(stuck, Event(Kind.DOWN), DEVELOPMENT)
    # What was waited for is gone; what has come since is not, so the proof is made anew.
    assert (again.stage, actions) == (Stage.CLOSING, (Action.BRING_DOWN,))


@pytest.mark.parametrize(
    "events",
    [
        (Event(Kind.QUIT, 130), Kind.NOT_DOWN),
        (Kind.RESTART, Kind.NOT_DOWN, Event(Kind.QUIT, 130)),
    ],
    ids=["quit while closing", "quit while stuck"],
)
def test_a_process_that_will_not_die_has_an_exit_status_of_its_own(events: tuple[Event | Kind, ...]) -> None:
    ended = after(*UP, *events)
    assert (ended.stage, ended.exit_code) == (Stage.ENDED, WOULD_NOT_DIE)


def test_a_command_that_cannot_be_run_ends_it_with_the_status_of_a_shell() -> None:
    ended = after(*STARTED, Event(Kind.SPAWN_FAILED, 127))
    assert (ended.stage, ended.exit_code) == (Stage.ENDED, 127)


def test_a_bot_that_nobody_scans_for_is_started_again_as_often_as_it_takes() -> None:
    state = after(*STARTED, Kind.WAITING, policy=PRODUCTION)
    assert (state.stage, state.ever_ready) == (Stage.UP, False)
    for _ in range(5 * PRODUCTION.limit):
        ended, actions = step(state, Event(Kind.UNSCANNED, 1), PRODUCTION)
        assert (ended.after, actions) == (After.BACKOFF, (Action.BRING_DOWN,))
        assert not ended.failures
        again = (Kind.DOWN, Kind.PREPARED, Kind.BACKOFF_OVER, *STARTED, Kind.WAITING)
        state = after(*again, policy=PRODUCTION, state=ended)
    assert after(Kind.READY, policy=PRODUCTION, state=state).ever_ready
    assert after(Kind.CHANGED, Kind.REFUSED, policy=PRODUCTION, state=state).stage is Stage.UP


def test_waiting_for_a_person_is_no_service() -> None:
    waiting = after(*STARTED, Kind.WAITING, policy=PRODUCTION)
    failed, _ = step(waiting, Event(Kind.UNHEALTHY, at=10 * PRODUCTION.reset_after), PRODUCTION)
    assert (failed.served, len(failed.failures)) == (0.0, 1)

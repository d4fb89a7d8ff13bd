"""The state machine: what each event means in each stage, as a pure table without I/O.

Theory of operation
-------------------

One bot at a time. The supervisor is always in exactly one `Stage`:

    CLOSING -> PREPARING -> STARTING -> UP          the way up, also of the very first start
    STARTING, UP -> CHECKING -> CLOSING             a changed file: first it is checked
                    CHECKING -> STARTING, UP        what has changed must not be started: the bot goes on
    STARTING, UP -> CLOSING                         every other way down
    CLOSING -> RESTING | BACKOFF | ENDED            where it leads when no bot is to follow at once
    CLOSING -> STUCK -> CLOSING                     a process would not die; nothing starts until it has

*CLOSING* brings the bot down: freeze, close its browsers, stop it, prove that its tree is empty. It is also where a
supervisor begins, since an earlier one may have left a bot behind. *PREPARING* works on the profiles while no process
holds them: check, snapshot, restore. *STARTING* lasts from the spawn until the bot is ready or shows a QR code; *UP* is
everything after. In *CHECKING* (development) the bot stands still while the changed files are looked at: the one thing
that is done to it before a restart is certain, since it can be undone. *RESTING* (development) waits for the next
change after a crash, *BACKOFF* (production; in development after a crash of the browser) for a timer.

What follows CLOSING is written in the state (`after`) and may change while the closing lasts: a quit overrides a
restart, and nothing overrides a quit.

Everything that happens outside becomes an event: signals, exits, changed files, finished steps. `step` answers with
the next state and the actions to begin. An action reports back as an event when it has finished; there is never more
than one of CHECK, BRING_DOWN, PREPARE and SPAWN under way; only a CHECK is cut short, by a BRING_DOWN. A SPAWN that
fails is handled before the events that wait: a CHECK, for instance, would find no bot. Three rules follow from the
table alone, and are tested on generated sequences of events:

- SPAWN is an answer to PREPARED only, PREPARE to a proof only: no bot starts before the last one is proven gone.
- Every BRING_DOWN ends in DOWN or NOT_DOWN, and what was suspended for it is resumed before either is reported.
- Every CHECK is followed by THAW or by BRING_DOWN, which takes over what is frozen.

A change that arrives in CLOSING or PREPARING needs no restart of its own: the start that is coming reads the files as
they are then, and PREPARE checks those that have changed. One that arrives in STARTING or UP does; one in CHECKING is
checked with the others.

What counts as a failure
------------------------

A failure is an end that was not requested: an exit, a browser lost, a bot that hangs, one that does not become ready. A
RESTART never is one. How long a bot has *served*, from READY to its end, decides what a failure means:

- after `reset_after` of service it says nothing about the start: it is not counted, and what was counted before is
  forgotten, whether it ends by a failure or by a restart that was asked for;
- otherwise it makes the pause before the next start longer, and counts towards the limit. It counts until the bot has
  served for `window` since. Pauses, starts and hangs are no service: a bot that needs two minutes to fail, and then
  pauses for five, is given up like one that fails at once.

To wait for a person is neither service nor a failure. A bot that ends while it does, as libraries do when no person has
scanned their QR code for a while, is started again after a pause, as often as it takes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum, auto


class Stage(StrEnum):
    """Where the supervisor is."""

    CLOSING = auto()
    PREPARING = auto()
    STARTING = auto()
    UP = auto()
    CHECKING = auto()
    RESTING = auto()
    BACKOFF = auto()
    STUCK = auto()
    ENDED = auto()


class After(StrEnum):
    """The sequel to a stop, once the tree is proven empty."""

    START = auto()
    REST = auto()
    BACKOFF = auto()
    END = auto()


class EventKind(StrEnum):
    """The kinds of events."""

    RESTART = auto()  # a restart is requested: a key, a request, a plan; a changed file that is not to be checked
    CHANGED = auto()  # watched files change, and are to be checked before the bot is brought down for them
    PASSED = auto()  # they have been checked: the bot may be started on them
    REFUSED = auto()  # it must not be, or need not be since they are as they were
    QUIT = auto()  # the end of the supervisor is requested; `code` is its exit status
    EXITED = auto()  # the bot's leader has exited; `code` is its status
    UNSCANNED = auto()  # the same, by a status of its own, while it waited for a person to scan its QR code
    FELLED = auto()  # the same, because its browser had crashed: its status says nothing about its own wish
    BROWSER_LOST = auto()  # a browser is gone under a living bot, and has not come back
    UNHEALTHY = auto()  # it lives, but it hangs, its page has crashed, or it holds more memory than it may
    READY = auto()  # the bot is ready: its start is over
    WAITING = auto()  # its start is over as well: it waits for a person, who has to scan a QR code for instance
    NEVER_READY = auto()  # the time for becoming ready is over
    DOWN = auto()  # the tree is proven empty
    NOT_DOWN = auto()  # a process would not die
    PREPARED = auto()  # the profiles are in order
    UNPREPARED = auto()  # they could not be put in order
    SPAWN_FAILED = auto()  # the command cannot be run; `code` is a shell's status for that
    PROGRAM_GONE = auto()  # the same, of a command that has been run before: it may come back
    BACKOFF_OVER = auto()  # the time to wait before the next try is over


class Action(StrEnum):
    """The steps to begin; carried out by `supervisor.py`."""

    CHECK = auto()  # freeze the bot and check what has changed
    THAW = auto()  # let it go on
    LISTEN = auto()  # report again a change that came just after the check had ended
    BRING_DOWN = auto()
    HURRY = auto()  # cut the graces of the BRING_DOWN under way short
    KILL = auto()  # ... and do not even ask
    PREPARE = auto()
    SPAWN = auto()
    START_BACKOFF = auto()
    GIVE_UP = auto()  # say that it has failed too often; the BRING_DOWN beside it leads to the end
    AWAIT_DEATH = auto()  # keep watching the processes that would not die
    AWAIT_PROGRAM = auto()  # keep looking for the bot's program, and listen for changes
    END = auto()


@dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened. `code` as described at `EventKind`; `at` is a monotonic time in seconds."""

    kind: EventKind
    code: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Policy:
    """The policy for a bot that ends by itself.

    `rest_after_exit`: wait for the next change (development) instead of starting it again (production). `limit`
    failures within `window` seconds of service end the supervisor; after `reset_after` seconds of service in one piece
    nothing counts. A status in `final_codes` is taken as the bot's own wish to end.
    """

    rest_after_exit: bool
    limit: int = 10
    window: float = 600.0
    reset_after: float = 600.0
    final_codes: frozenset[int] = frozenset()
    rest_first: bool = False


#: With this many in a row the pauses of a bot that is not scanned for grow no more: half a minute by default.
_LONGEST_STREAK = 6

#: Exit statuses of the supervisor itself, as listed in `docs/exit-codes.md`.
NEVER_BECAME_READY, CRASH_LOOP, HELD, WOULD_NOT_DIE = 3, 4, 5, 6


@dataclass(frozen=True, slots=True)
class State:
    """The whole state.

    `served`: seconds of service so far, of all runs. `failures`: what `served` was at each failure that counts still.
    `streak`: failures in a row, for the pause before the next start. `waiting`: the bot waits for a person.
    """

    stage: Stage = Stage.CLOSING
    after: After = After.START
    exit_code: int = 0
    quits: int = 0
    ready_at: float | None = None
    waiting: bool = False
    ever_ready: bool = False
    served: float = 0.0
    failures: tuple[float, ...] = ()
    streak: int = 0

    @property
    def bot_may_run(self) -> bool:
        """Whether a process of the bot may exist in this stage."""
        return self.stage in {Stage.CLOSING, Stage.STARTING, Stage.UP, Stage.CHECKING, Stage.STUCK}


Answer = tuple[State, tuple[Action, ...]]
_Cell = Callable[[State, Event, Policy], Answer]


def begin(policy: Policy | None = None) -> Answer:
    """The first state, and the first action: close what an earlier supervisor left behind.

    What follows is the start of the bot, unless the policy says to rest first.
    """
    rests = policy is not None and policy.rest_first
    return State(after=After.REST if rests else After.START), (Action.BRING_DOWN,)


def step(state: State, event: Event, policy: Policy) -> Answer:
    """The next state, and what to do on the way."""
    return _TABLE[state.stage].get(event.kind, _nothing)(state, event, policy)


def _nothing(state: State, _event: Event, _policy: Policy) -> Answer:
    return state, ()


def _close(state: State, event: Event, policy: Policy, after: After, exit_code: int = 0) -> Answer:
    counted = replace(_count_service(state, event, policy), waiting=False)
    return replace(counted, stage=Stage.CLOSING, after=after, exit_code=exit_code), (Action.BRING_DOWN,)


def _service(state: State, event: Event) -> float:
    """For how many seconds the bot that runs now has served."""
    return 0.0 if state.ready_at is None else max(0.0, event.at - state.ready_at)


def _count_service(state: State, event: Event, policy: Policy) -> State:
    """Add what the bot that ends now has served; after long enough in one piece all earlier failures are forgotten."""
    if state.ready_at is None:
        return state
    service = _service(state, event)
    counted = replace(state, served=state.served + service, ready_at=None)
    return replace(counted, failures=(), streak=0) if service >= policy.reset_after else counted


def _restart(state: State, event: Event, policy: Policy) -> Answer:
    return _close(state, event, policy, After.START)


def _quit_running(state: State, event: Event, policy: Policy) -> Answer:
    return _close(replace(state, quits=1), event, policy, After.END, event.code)


def _check(state: State, _event: Event, _policy: Policy) -> Answer:
    return replace(state, stage=Stage.CHECKING), (Action.CHECK,)


def _refused(state: State, _event: Event, _policy: Policy) -> Answer:
    """Go back to the stage before, which follows from `ready_at` and `waiting`."""
    starting = state.ready_at is None and not state.waiting
    return replace(state, stage=Stage.STARTING if starting else Stage.UP), (Action.THAW, Action.LISTEN)


def _ready_checking(state: State, event: Event, policy: Policy) -> Answer:
    """The page of a bot that was starting can become ready while the bot stands still."""
    if state.ready_at is not None:
        return state, ()
    return replace(_ready(state, event, policy)[0], stage=Stage.CHECKING), ()


def _quit_idle(state: State, event: Event, _policy: Policy) -> Answer:
    return replace(state, stage=Stage.ENDED, exit_code=event.code, quits=1), (Action.END,)


def _quit_closing(state: State, event: Event, _policy: Policy) -> Answer:
    """The first one settles what follows; the second cuts the graces short; the third kills."""
    actions = {0: (), 1: (Action.HURRY,)}.get(state.quits, (Action.KILL,))
    code = event.code if state.quits == 0 else state.exit_code
    return replace(state, after=After.END, exit_code=code, quits=state.quits + 1), actions


def _quit_preparing(state: State, event: Event, policy: Policy) -> Answer:
    """The work on a profile is short and is finished first, unless it is asked for again and again."""
    asked, _ = _quit_closing(state, event, policy)
    return _prepared(asked, event, policy) if state.quits >= 2 else (asked, ())


def _quit_stuck(state: State, _event: Event, _policy: Policy) -> Answer:
    return replace(state, stage=Stage.ENDED, exit_code=WOULD_NOT_DIE), (Action.END,)


def _restart_closing(state: State, _event: Event, _policy: Policy) -> Answer:
    """A restart that is asked for while the bot goes down: only a quit is stronger."""
    return (state, ()) if state.after is After.END else (replace(state, after=After.START), ())


def _exited(state: State, event: Event, policy: Policy) -> Answer:
    if policy.rest_after_exit:
        return _close(state, event, policy, After.REST)
    if event.code in policy.final_codes:
        return _close(state, event, policy, After.END, event.code)
    return _failed(state, event, policy)


def _unscanned(state: State, event: Event, policy: Policy) -> Answer:
    """It has given up waiting for a person. That is no failure; but a person may take days, so the pauses grow."""
    if policy.rest_after_exit or event.code in policy.final_codes:
        return _exited(state, event, policy)
    return _close(replace(state, streak=min(state.streak + 1, _LONGEST_STREAK)), event, policy, After.BACKOFF)


def _unwell(state: State, event: Event, policy: Policy) -> Answer:
    """It did not end, and is of no use: in development it is back at once, in production that is a failure."""
    return _restart(state, event, policy) if policy.rest_after_exit else _failed(state, event, policy)


def _failed(state: State, event: Event, policy: Policy) -> Answer:
    """Count one end that was not requested, and decide whether to try again.

    In development the supervisor stays: after too many failures it waits for a change.
    """
    steady = state.ready_at is not None and _service(state, event) >= policy.reset_after
    failed = _count_service(state, event, policy)
    failed = replace(failed, streak=failed.streak + 1)
    if not steady:
        recent = tuple(at for at in failed.failures if failed.served - at < policy.window)
        failed = replace(failed, failures=(*recent, failed.served))
    if len(failed.failures) < policy.limit:
        return _close(failed, event, policy, After.BACKOFF)
    if policy.rest_after_exit:
        closing, actions = _close(failed, event, policy, After.REST)
        return closing, (Action.GIVE_UP, *actions)
    closing, actions = _close(failed, event, policy, After.END, CRASH_LOOP if state.ever_ready else NEVER_BECAME_READY)
    return closing, (Action.GIVE_UP, *actions)


def _felled_early(state: State, event: Event, policy: Policy) -> Answer:
    """In development a browser that does not outlive the start is to be looked at."""
    return _close(state, event, policy, After.REST) if policy.rest_after_exit else _failed(state, event, policy)


def _never_ready(state: State, event: Event, policy: Policy) -> Answer:
    """In development the user is looking at it and decides; in production it is a failure like a crash."""
    return (state, ()) if policy.rest_after_exit else _failed(state, event, policy)


def _ready(state: State, event: Event, _policy: Policy) -> Answer:
    if state.ready_at is not None:
        return state, ()
    return replace(state, stage=Stage.UP, ready_at=event.at, waiting=False, ever_ready=True), ()


def _waiting(state: State, _event: Event, _policy: Policy) -> Answer:
    stage = Stage.UP if state.stage is Stage.STARTING else state.stage
    return replace(state, stage=stage, waiting=state.ready_at is None), ()


def _down(state: State, _event: Event, _policy: Policy) -> Answer:
    """Prepare first in any case: a profile that was just released is looked after before an end as before a start."""
    return replace(state, stage=Stage.PREPARING), (Action.PREPARE,)


def _not_down(state: State, _event: Event, _policy: Policy) -> Answer:
    if state.after is After.END:
        return replace(state, stage=Stage.ENDED, exit_code=WOULD_NOT_DIE), (Action.END,)
    return replace(state, stage=Stage.STUCK), (Action.AWAIT_DEATH,)


def _prepared(state: State, _event: Event, _policy: Policy) -> Answer:
    match state.after:
        case After.START:
            return replace(state, stage=Stage.STARTING), (Action.SPAWN,)
        case After.REST:
            # After a rest something else is tried: the failures before say nothing about it.
            return replace(state, stage=Stage.RESTING, failures=(), streak=0), ()
        case After.BACKOFF:
            return replace(state, stage=Stage.BACKOFF), (Action.START_BACKOFF,)
        case After.END:
            return replace(state, stage=Stage.ENDED), (Action.END,)


def _unprepared(state: State, event: Event, policy: Policy) -> Answer:
    """A profile that could not be put in order is not started on: that would destroy the evidence."""
    if state.after is not After.START:
        return _prepared(state, event, policy)
    if policy.rest_after_exit:
        return replace(state, stage=Stage.RESTING), (Action.LISTEN,)
    return _failed(state, event, policy)


def _prove_again(state: State, event: Event, policy: Policy) -> Answer:
    """Prove again: the process that was waited for has died, but what it started meanwhile may live."""
    return _close(state, event, policy, state.after, state.exit_code)


def _begin_again(state: State, event: Event, policy: Policy) -> Answer:
    """Nothing runs and nothing is held; still the way up begins with a proof."""
    return _close(state, event, policy, After.START)


def _program_gone(state: State, event: Event, policy: Policy) -> Answer:
    """An editor, a build or a checkout replaces the program: in development wait for it, in production try again."""
    if policy.rest_after_exit:
        return replace(state, stage=Stage.RESTING), (Action.AWAIT_PROGRAM,)
    return _failed(state, event, policy)


def _spawn_failed(state: State, event: Event, _policy: Policy) -> Answer:
    return replace(state, stage=Stage.ENDED, exit_code=event.code), (Action.END,)


# A cell that is not written does nothing. In CHECKING a further change is the check's own affair; in CLOSING the exits
# and lost browsers are the stop's own doing; in PREPARING, RESTING and BACKOFF no bot runs that could report anything;
# a report that was under way when its stage ended (READY, NEVER_READY, BACKOFF_OVER, PASSED, REFUSED) comes too late to
# matter; in UP a bot that has been ready once is watched by its session's state, not by READY or WAITING.
_TABLE: dict[Stage, dict[EventKind, _Cell]] = {
    Stage.CLOSING: {
        EventKind.RESTART: _restart_closing,
        EventKind.CHANGED: _restart_closing,
        EventKind.QUIT: _quit_closing,
        EventKind.DOWN: _down,
        EventKind.NOT_DOWN: _not_down,
    },
    Stage.PREPARING: {
        EventKind.RESTART: _restart_closing,
        EventKind.CHANGED: _restart_closing,
        EventKind.QUIT: _quit_preparing,
        EventKind.PREPARED: _prepared,
        EventKind.UNPREPARED: _unprepared,
    },
    Stage.STARTING: {
        EventKind.RESTART: _restart,
        EventKind.CHANGED: _check,
        EventKind.QUIT: _quit_running,
        EventKind.EXITED: _exited,
        EventKind.UNSCANNED: _unscanned,
        EventKind.FELLED: _felled_early,
        EventKind.BROWSER_LOST: _unwell,
        EventKind.UNHEALTHY: _unwell,
        EventKind.READY: _ready,
        EventKind.WAITING: _waiting,
        EventKind.NEVER_READY: _never_ready,
        EventKind.SPAWN_FAILED: _spawn_failed,
        EventKind.PROGRAM_GONE: _program_gone,
    },
    Stage.UP: {
        EventKind.RESTART: _restart,
        EventKind.CHANGED: _check,
        EventKind.QUIT: _quit_running,
        EventKind.EXITED: _exited,
        EventKind.UNSCANNED: _unscanned,
        EventKind.FELLED: _failed,
        EventKind.BROWSER_LOST: _unwell,
        EventKind.UNHEALTHY: _unwell,
        EventKind.READY: _ready,
    },
    Stage.CHECKING: {
        EventKind.RESTART: _restart,
        EventKind.PASSED: _restart,
        EventKind.REFUSED: _refused,
        EventKind.QUIT: _quit_running,
        # The files were changed so that the bot runs with them: no time for resting.
        EventKind.EXITED: _restart,
        EventKind.UNSCANNED: _restart,
        EventKind.FELLED: _restart,
        EventKind.BROWSER_LOST: _restart,
        EventKind.UNHEALTHY: _restart,
        EventKind.READY: _ready_checking,
        EventKind.WAITING: _waiting,
    },
    Stage.RESTING: {EventKind.RESTART: _begin_again, EventKind.CHANGED: _begin_again, EventKind.QUIT: _quit_idle},
    Stage.BACKOFF: {
        EventKind.RESTART: _begin_again,
        EventKind.CHANGED: _begin_again,
        EventKind.QUIT: _quit_idle,
        EventKind.BACKOFF_OVER: _begin_again,
    },
    Stage.STUCK: {
        EventKind.RESTART: _restart_closing,
        EventKind.CHANGED: _restart_closing,
        EventKind.QUIT: _quit_stuck,
        EventKind.DOWN: _prove_again,
    },
    Stage.ENDED: {},
}

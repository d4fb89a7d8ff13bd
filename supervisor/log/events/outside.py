"""Events of what the outside is told: figures for those who ask, messages for those who do not."""

from typing import Final

from supervisor.log.events.model import Event, Field

METRICS: Final = (
    Event(
        name="metrics.on",
        level="info",
        doc="[Health and metrics](metrics.md) can be asked for.",
        fields=(Field("url", "string", "where, without the path"),),
        sentence="health and metrics at {url}",
        detail=True,
    ),
    Event(
        name="metrics.off",
        level="warning",
        doc="The address of `metrics.listen` cannot be used: the bot runs all the same, unseen by monitoring.",
        fields=(Field("problem", "string", "what stands in the way"),),
        sentence="nobody can ask for health and metrics: {problem}",
    ),
)

_TARGET: Final = Field("target", "string", "which target, without the secrets of its address")
_KIND: Final = Field("kind", "string", "`needs_link`, `recovered`, `crash_loop`, `logged_out` or `over_target`")

NOTIFY: Final = (
    Event(
        name="notify.sent",
        level="info",
        doc="A [message](notifications.md) has arrived.",
        fields=(_TARGET, _KIND, Field("attempts", "integer", "how often it was tried")),
        sentence="told {target}: {kind}",
        detail=True,
    ),
    Event(
        name="notify.delayed",
        level="warning",
        doc="A message has not arrived; it is tried again (`notify.retry_for`).",
        fields=(_TARGET, _KIND, Field("problem", "string", "why, in words")),
        sentence="{target} cannot be told yet ({problem}); trying again",
    ),
    Event(
        name="notify.failed",
        level="error",
        doc="A message has not arrived and is not tried again.",
        fields=(
            _TARGET,
            _KIND,
            Field("problem", "string", "why, in words"),
            Field("attempts", "integer", "how often it was tried"),
        ),
        sentence="{target} was not told of {kind}: {problem}",
    ),
    Event(
        name="notify.dropped",
        level="warning",
        doc="Messages were given up untried: too many were waiting (`notify.queue`), or scanonce ends.",
        fields=(_TARGET, Field("count", "integer", "how many"), Field("reason", "string", "why, in words")),
        sentence="{count} of the messages to {target} dropped: {reason}",
    ),
    Event(
        name="notify.unusable",
        level="error",
        doc="At the start: a target cannot be used. The bot runs all the same, and the others are told.",
        fields=(_TARGET, Field("problem", "string", "what is missing"), Field("remedy", "string", "what to do next")),
        sentence="{target} will not be told of anything: {problem}; {remedy}",
    ),
)

"""Events of what the outside is told: figures for those who ask, messages for those who do not."""

from typing import Final

from supervisor.events.model import Event, Field

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

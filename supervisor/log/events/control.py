"""Events of the control socket."""

from typing import Final

from supervisor.log.events.model import Event, Field

CONTROL: Final = (
    Event(
        name="control.on",
        level="info",
        doc="The control socket is open: `scanonce status`, `restart` and `stop` reach this supervisor.",
        fields=(Field("socket", "string", "its path"),),
        sentence="control socket {socket}",
        detail=True,
    ),
    Event(
        name="control.off",
        level="warning",
        doc="There is no control socket: the bot runs all the same, but no command reaches its supervisor. It is tried "
        "again every few seconds.",
        fields=(Field("problem", "string", "what stands in the way"),),
        sentence="no command can reach this supervisor: {problem}",
    ),
)

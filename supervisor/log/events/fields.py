"""Fields that several events share."""

from typing import Final

from supervisor.log.events.model import Field

SESSION: Final = Field("session", "string", "the session's id: its profile folder's name without `session-`")
PROFILE: Final = Field("profile", "string", "the profile's path")
BROWSER_PID: Final = Field("pid", "integer", "process id of the browser's main process")
REASON: Final = Field("reason", "string", "why, in words")
WHERE: Final = Field("where", "string", "`stdout` and `stderr` are our own, `log` the log files")
CLEAN: Final = Field("clean", "boolean", "whether every browser wrote everything down before it exited")

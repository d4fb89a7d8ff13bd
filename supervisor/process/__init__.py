"""Spawning, process trees, freezing, ending and reaping.

This room knows processes and nothing of browsers or sessions. What differs between operating systems stands behind
`Handle` (`handle.py`), chosen once at import; everything else in the room is written against that face.
"""

from supervisor.process.activity import Activity
from supervisor.process.ahead import Ahead
from supervisor.process.census import (
    ENVIRONMENT_MARK,
    Entry,
    enter,
    find_by_argument,
    find_by_mark,
    offspring,
    parent_program,
    working_directory,
)
from supervisor.process.child import Child
from supervisor.process.descendants import Descendants
from supervisor.process.errand import Errands, Finished
from supervisor.process.freeze import Frost
from supervisor.process.handle import Handle, open_handle
from supervisor.process.hold import can_be_held
from supervisor.process.ladder import Haste, Rung, climb, kill, terminate
from supervisor.process.launch import CommandError, Launch, resolve_command
from supervisor.process.procfs import sockets
from supervisor.process.reap import Reaper, become_subreaper, childless, crashed, tells_threads_apart
from supervisor.process.standby import Standby

__all__ = [
    "ENVIRONMENT_MARK",
    "Activity",
    "Ahead",
    "Child",
    "CommandError",
    "Descendants",
    "Entry",
    "Errands",
    "Finished",
    "Frost",
    "Handle",
    "Haste",
    "Launch",
    "Reaper",
    "Rung",
    "Standby",
    "become_subreaper",
    "can_be_held",
    "childless",
    "climb",
    "crashed",
    "enter",
    "find_by_argument",
    "find_by_mark",
    "kill",
    "offspring",
    "open_handle",
    "parent_program",
    "resolve_command",
    "sockets",
    "tells_threads_apart",
    "terminate",
    "working_directory",
]

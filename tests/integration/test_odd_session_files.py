"""Odd files in a project, with the real command."""

from __future__ import annotations

import asyncio
import os
import signal

from supervisor.session.names import MANIFEST
from supervisor.session.profiles.profile import Profile
from supervisor.session.store import SessionStore
from tests.helpers import build
from tests.helpers.build import take
from tests.helpers.command import Project
from tests.helpers.shell import invoke
from tests.helpers.waiting import eventually


async def test_a_running_supervisor_outlives_odd_files(project: Project) -> None:
    profile = Profile.at(project.profile("1"))
    build.profile(profile.path)
    store = SessionStore(project.folder)
    odd = take(store, profile)
    manifest = odd.path / MANIFEST
    manifest.write_bytes(manifest.read_bytes().replace(b'"bytes":', b'"bytes":1e999,"was":', 1))
    (project.folder / "session-state.json").write_text(
        '{"version": 1, "sessions": {"z": {"isLinked": true, "profile": "a\\u0000b"}}}', "ascii"
    )
    running = await project.start("run", f"browser={profile.path},devtools")
    await running.until("restart.done")
    state = project.folder / "session-state.json"
    state.unlink(missing_ok=True)
    os.mkfifo(state)
    for words in (
        ["session", "list"],
        ["session", "check"],
        ["snapshot", "list"],
        ["snapshot", "verify"],
        ["status"],
        ["doctor"],
        ["restart"],
    ):
        told = await asyncio.to_thread(invoke, project.folder, *words)
        assert "Traceback" not in told.err + told.out, words
        assert told.status != 70, words
        assert words != ["restart"] or told.status == 0, told
    await running.until("restart.done")  # of the restart
    await eventually(lambda: project.living("bot"), "a bot", 60)
    assert await running.stop() == 128 + signal.SIGTERM, running.told()

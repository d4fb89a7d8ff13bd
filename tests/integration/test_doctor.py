"""`scanonce doctor` beside a running bot: it looks at that bot's own environment."""

from __future__ import annotations

import asyncio

from tests.helpers.command import Project
from tests.helpers.shell import run


async def test_the_doctor_looks_at_the_running_bots_own_environment(project: Project) -> None:
    chrome = project.home / "chrome"
    chrome.write_text("#!/bin/sh\necho Chromium 156.0.1.2\n")
    chrome.chmod(0o755)
    (project.folder / "node_modules/puppeteer").mkdir(parents=True)
    (project.folder / "node_modules/puppeteer/package.json").write_text("{}")
    own = {"PUPPETEER_EXECUTABLE_PATH": str(chrome), "CHROME_AUTH_TOKEN": "s3cret", "HTTPS_PROXY": "http://u:s3cret@p"}
    # Behind a shell, as npm starts it: what counts is the bot's environment, not its wrapper's.
    line = 'CHROME_PATH=inner "$0" "$@"; exit $?'
    command = ["sh", "-c", line, *project.bot("browser=sessions/session-1")]
    here = {name: value for name, value in project.environment.items() if name not in own}
    async with project.supervised("run", command=command, environment=own):
        ended = await asyncio.to_thread(run, project.folder, "doctor", "--json", env=here)
    found = {one["name"]: one for one in ended.json["findings"]}
    seen = found["environment"]["seen"]
    assert f"PUPPETEER_EXECUTABLE_PATH={chrome}" in seen
    assert "CHROME_PATH=inner" in seen
    assert "SCANONCE" not in seen
    assert "s3cret" not in ended.out
    assert "open now, process" in found["browser"]["seen"]
    assert found["browser"]["verdict"] != "problem"

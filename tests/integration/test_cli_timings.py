"""`scanonce timings`: what it prints, for people and for programs, what it refuses, and its exit statuses."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from supervisor import __version__
from supervisor.timing.history import History
from supervisor.timing.image_plot import png
from supervisor.timing.phases import PHASES
from supervisor.timing.record import Restart, Setup, Target
from tests import ROOT
from tests.helpers.command import Project
from tests.helpers.shell import invoke, run, run_on_terminal

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BEGAN = datetime(2026, 1, 31, 18, 0).timestamp()  # noqa: DTZ001  local time, as people read it
SETTINGS: Mapping[str, Any] = {"bot.command": ["node", "index.js"], "mode": "dev"}
OLD = Setup(scanonce="0.1.0", config="aaaa11112222", node="18.2.3", browser="155.0.1")
NEW = Setup(scanonce="0.1.0", config="bbbb11112222", node="18.2.3", browser="155.0.1")


def history(folder: Path) -> Path:
    return folder / ".session-cache" / "history.db"


def restart(at: float = 0.0, close: int = 120, **changes: Any) -> Restart:
    phases = {"freeze": 10, "close": close, "boot": 400, **changes.pop("phases", {})}
    plain: dict[str, Any] = {
        "started_at": BEGAN + at * 60,
        "run_id": "r1",
        "reason": "change",
        "detail": "index.js",
        "outcome": "ready",
        "phases_ms": phases,
        "total_ms": sum(phases.values()),
        "target": "ahead",
        "clean": True,
    }
    return Restart(**plain | changes)


def record(folder: Path, *restarts: Restart) -> None:
    log = History(history(folder), warn=pytest.fail)
    for one in restarts:
        more = {"stop.close_timeout": 20.0} if one.setup == NEW else {}
        log.record(one, {**SETTINGS, **more})
    log.close()


def changed(before: int = 40, after: int = 40) -> list[Restart]:
    """A history in which a change of the configuration made the close slower."""
    source = random.Random(1)
    slow = [restart(before + at, 300 + source.randrange(60), setup=NEW) for at in range(after)]
    return [restart(at, 100 + source.randrange(60), setup=OLD) for at in range(before)] + slow


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a first start, three restarts, and one that waits for a scan."""
    record(
        tmp_path,
        restart(0, reason="start", detail=""),
        restart(1, 100),
        restart(2, 200, reason="key", detail="rs", phases={"warp": 7000}),
        restart(3, 300, reason="crash", detail="a\x1b[31m\n.js", clean=False, setup=OLD),
        restart(4, 9000, outcome="needs_link", target=None),
    )
    return tmp_path


class TestPage:
    """docs/timings.md shows what the commands print (`make timings`): here its layout is compared, not its figures."""

    @staticmethod
    def layout(text: str) -> list[list[str]]:
        """The words of headings and sentences, without figures, phases and the plot."""
        known = {name.upper() for name in PHASES} | {"total"}
        kept = []
        for line in text.splitlines():
            words = [word for word in line.split() if word not in known and not re.search(r"\d|[─│┌└┤▁▂▃▄▅▆▇█]", word)]
            if words and line[:1].isupper() and line.split()[0] not in PHASES:
                kept.append(words[:6])
        return kept

    def sample(self, command: str) -> str:
        page = (ROOT / "docs/timings.md").read_text(encoding="utf-8")
        return page.partition(f"```\n$ {command}\n")[2].partition("\n```")[0]

    def test_the_samples_are_laid_out_as_the_commands_print(self, tmp_path: Path) -> None:
        record(tmp_path, *changed())
        for command in ("scanonce timings --rows 5", "scanonce timings --compare"):
            sample, printed = self.sample(command), run(tmp_path, *command.split()[1:]).out
            assert sample
            assert self.layout(sample) == self.layout(printed)

    def test_the_phases_of_the_samples_are_ours(self) -> None:
        table = self.sample("scanonce timings --rows 5").partition("\nSECONDS")[2].partition("\n\n")[0].splitlines()[1:]
        assert table
        assert {line.split()[0] for line in table} <= {*PHASES, "total"}


class TestText:
    def test_it_shows_the_last_ones_the_figures_and_how_they_stand(self, folder: Path) -> None:
        ended = run(folder, "timings")
        assert (ended.status, ended.err) == (0, "")
        lines = ended.out.splitlines()
        assert lines[0] == (
            "4 restarts, 2026-01-31 18:01:00 to 2026-01-31 18:04:00; 1 first start left out (--starts); "
            "1 that did not bring the bot back counts in no figure."
        )
        table = [line.split() for line in lines[2:7]]
        assert table[0] == ["STARTED", "TOTAL", "FREEZE", "CLOSE", "BOOT", "WARP", "TARGET", "WHY"]
        assert table[1][2:] == ["9.41", "0.01", "9.00", "0.40", "needs_link", "change:", "index.js"]
        assert table[2][2:] == ["0.71", "0.01", "0.30", "0.40", "ahead", "crash:", r"a\x1b[31m\n.js", "(unclean)"]
        assert table[3][2:] == ["7.61", "0.01", "0.20", "0.40", "7.00", "within", "key:", "rs"]
        figures = {line.split()[0]: line.split()[1:] for line in lines[9:14]}
        assert figures["close"] == ["3", "0.100", "0.200", "0.280", "0.290", "0.300"]
        assert figures["warp"] == ["1", *["7.000"] * 5]
        assert figures["total"][:2] == ["3", "0.510"]
        assert "Target 5-10 s: ahead 66.7% (2), within 33.3% (1), over 0.0% (0)" in lines
        assert re.search(r"^Totals  ▁█▁  0\.510 to 7\.610 s$", ended.out, re.MULTILINE)
        assert "Seconds; each dot is one restart." in lines
        assert "Slower" not in ended.out, "three are no evidence"
        assert all(char.isprintable() or char == "\n" for char in ended.out)

    def test_it_says_what_got_slower(self, tmp_path: Path) -> None:
        record(tmp_path, *changed())
        out = invoke(tmp_path, "timings").out
        assert "Slower in the last 40 restarts than in the 40 before them:" in out
        slower = [line.split() for line in out.partition("before them:\n")[2].splitlines()]
        assert slower[0] == ["PHASE", "BEFORE", "NOW", "DIFFERENCE", "P"]
        assert [row[0] for row in slower[1:]] == ["close", "total"]

    def test_on_a_terminal_it_is_coloured_and_fits(self, folder: Path) -> None:
        out = run_on_terminal(folder, "timings", env={"COLUMNS": "80"}).out
        assert "\x1b[" in out
        plain = re.sub(r"\x1b\[[\d;]*m", "", out)
        heading = next(line for line in plain.splitlines() if line.startswith("STARTED"))
        assert "OTHER" in heading, "the least phases share a column where there is no room"
        drawn = [line for line in plain.splitlines() if re.search("[▁│┤└]", line)]
        assert len(drawn) > 10
        assert max(map(len, drawn)) <= 80
        without = run_on_terminal(folder, "timings", env={"COLUMNS": "80", "NO_COLOR": "1"}).out
        assert not re.search(r"\x1b\[\d*[;\d]*3\dm", without)

    def test_where_bars_cannot_be_written_the_figures_do(self, folder: Path) -> None:
        ended = run(folder, "timings", env={"PYTHONIOENCODING": "latin-1"})
        assert ended.status == 0
        assert "Target 5-10 s" in ended.out
        assert "\\u25" not in ended.out

    def test_before_the_first_restart_it_says_so(self, tmp_path: Path) -> None:
        ended = invoke(tmp_path, "timings")
        assert (ended.status, ended.err) == (0, "")
        assert ended.out.startswith(f"No restart is recorded in {history(tmp_path)} yet")
        assert not history(tmp_path).parent.exists()
        assert invoke(tmp_path, "timings", "--json").json["total"] is None
        assert invoke(tmp_path, "timings", "--compare").status == 0
        assert len(invoke(tmp_path, "timings", "--csv").out.splitlines()) == 1

    def test_restarts_that_none_brought_the_bot_back_have_no_figures(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--outcome", "needs_link")
        assert (ended.status, ended.out.splitlines()[-1]) == (
            0,
            "None of them brought the bot back, so there are no figures.",
        )


class TestWhichRestarts:
    @pytest.mark.parametrize(
        ("words", "minutes"),
        [
            ((), [4, 3, 2, 1]),
            (("--starts",), [4, 3, 2, 1, 0]),
            (("--last", "2"), [4, 3]),
            (("--reason", "key", "--reason", "crash"), [3, 2]),
            (("--reason", "start"), [0]),
            (("--outcome", "ready"), [3, 2, 1]),
            (("--since", "2026-01-31 18:02"), [4, 3, 2]),
            (("--since", "1000d"), [4, 3, 2, 1]),
            (("--rows", "1"), [4]),
            (("--rows", "0"), []),
        ],
    )
    def test_are_listed(self, folder: Path, words: tuple[str, ...], minutes: list[int]) -> None:
        found = invoke(folder, "timings", "--json", *words).json["list"]
        assert [datetime.fromisoformat(one["started_at"]).timestamp() for one in found] == [
            BEGAN + minute * 60 for minute in minutes
        ]

    def test_of_a_kind_are_listed_and_marked(self, tmp_path: Path) -> None:
        record(tmp_path, restart(1), restart(2, kind="warm"), restart(3, why="it was asked for"))
        for kind, minutes in (("warm", [2]), ("cold", [3, 1])):
            found = invoke(tmp_path, "timings", "--json", "--kind", kind).json["list"]
            assert [one["kind"] for one in found] == [kind] * len(minutes)
            assert [datetime.fromisoformat(one["started_at"]).timestamp() for one in found] == [
                BEGAN + minute * 60 for minute in minutes
            ]
        assert invoke(tmp_path, "timings", "--kind", "hot").status == 2
        assert "change: index.js (warm)" in invoke(tmp_path, "timings").out

    def test_if_none_fits_it_says_what_there_is(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--reason", "moon")
        assert ended.status == 0
        assert "No restart fits. Recorded are the reasons change (2), crash (1), key (1), start (1)" in ended.out
        assert "the outcomes needs_link (1), ready (4)" in ended.out

    @pytest.mark.parametrize("since", ["soon", "7", "2026-13-01", "9999999d", ""])
    def test_a_since_that_is_none_is_refused(self, folder: Path, since: str) -> None:
        ended = invoke(folder, "timings", "--since", since)
        assert (ended.status, ended.out) == (2, "")
        assert ended.err == (
            f"scanonce: --since {since}: expected a time ago, such as 7d or 12h, or a date, such as 2026-01-31.\n"
        )


class TestForPrograms:
    def test_the_json_has_these_fields(self, folder: Path) -> None:
        found = invoke(folder, "timings", "--json").json
        listed, phases = found.pop("list"), found.pop("phases")
        assert ISO.fullmatch(found.pop("from"))
        assert ISO.fullmatch(found.pop("to"))
        assert found == {
            "version": 1,
            "history": str(history(folder)),
            "restarts": 4,
            "ready": 3,
            "unreadable": 0,
            "target": {"low_s": 5.0, "high_s": 10.0},
            "first_starts_left_out": 1,
            "targets": {"ahead": 2, "within": 1, "over": 0},
            "total": {
                "count": 3,
                "min_ms": 510,
                "p50_ms": 710.0,
                "p90_ms": 6230.0,
                "p95_ms": 6920.0,
                "max_ms": 7610,
            },
            "trend": None,
        }
        assert [one["phase"] for one in phases] == ["freeze", "close", "boot", "warp"]
        assert phases[0] == {
            "phase": "freeze",
            "count": 3,
            "min_ms": 10,
            "p50_ms": 10.0,
            "p90_ms": 10.0,
            "p95_ms": 10.0,
            "max_ms": 10,
        }
        assert listed[1] == {
            "started_at": listed[1]["started_at"],
            "run_id": "r1",
            "reason": "crash",
            "detail": "a\x1b[31m\n.js",
            "outcome": "ready",
            "target": "ahead",
            "clean": False,
            "kind": "cold",
            "why": "",
            "total_ms": 710,
            "phases_ms": {"freeze": 10, "close": 300, "boot": 400},
            "scanonce_version": "0.1.0",
            "config": "aaaa11112222",
            "node_version": "18.2.3",
            "browser_version": "155.0.1",
        }
        assert listed[0]["target"] is None

    def test_the_trend_is_in_it(self, tmp_path: Path) -> None:
        record(tmp_path, *changed())
        trend = invoke(tmp_path, "timings", "--json").json["trend"]
        assert (trend["before"], trend["after"]) == (40, 40)
        assert [one["phase"] for one in trend["slower"]] == ["close", "total"]

    def test_the_csv_has_a_row_for_each_restart_the_oldest_first(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--csv", "--starts")
        rows = list(csv.DictReader(io.StringIO(ended.out)))
        assert [row["reason"] for row in rows] == ["start", "change", "key", "crash", "change"]
        assert list(rows[0]) == [
            *("started_at", "reason", "detail", "outcome", "target", "clean", "kind", "why", "total_ms"),
            *("scanonce_version", "config", "node_version", "browser_version", "run_id"),
            *(f"{phase}_ms" for phase in PHASES),
            "other_ms",
        ]
        key, crash, waiting = rows[2:]
        assert (key["close_ms"], key["other_ms"], key["stop_ms"], key["target"]) == ("200", "7000", "", "within")
        assert (crash["detail"], crash["clean"], crash["config"]) == (r"a\x1b[31m\n.js", "no", "aaaa11112222")
        assert (waiting["outcome"], waiting["target"], ISO.fullmatch(waiting["started_at"]) is None) == (
            "needs_link",
            "",
            False,
        )

    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            (("--json", "--csv"), "--json and --csv exclude each other; expected one of them."),
            (("--compare", "--csv"), "--compare has no --csv; expected --json, or neither."),
            (("--compare", "--png", "x"), "--compare has no --png; expected --json, or neither."),
            (("0.1.0",), "'0.1.0' is given without --compare. To compare before and after it: --compare 0.1.0."),
        ],
    )
    def test_what_excludes_each_other_is_refused(self, folder: Path, words: tuple[str, ...], sentence: str) -> None:
        ended = invoke(folder, "timings", *words)
        assert (ended.status, ended.out, ended.err) == (2, "", f"scanonce: {sentence}\n")


class TestCompare:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        record(tmp_path, *changed())
        return tmp_path

    def test_the_last_change_says_what_it_was_and_what_it_made_slower(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--compare")
        assert (ended.status, ended.err) == (0, "")
        lines = ended.out.splitlines()
        assert lines[:3] == [
            "Before and after 2026-01-31 18:40:00: 40 and 40 restarts.",
            "  configuration: aaaa11112222 -> bbbb11112222",
            "    stop.close_timeout: default -> 20.0",
        ]
        rows = {line.split()[0]: line.split("  ")[-1].strip() for line in lines[4:9]}
        assert rows == {
            "PHASE": "MORE THAN NOISE",
            "freeze": "no",
            "close": "yes, slower",
            "boot": "no",
            "total": "yes, slower",
        }

    @pytest.mark.parametrize("wanted", ["bbbb", "2026-01-31 18:40", "2026-01-31T18:39:30"])
    @pytest.mark.parametrize("spelling", [("--compare", "{}"), ("--compare={}",)])
    def test_a_named_one_too(self, folder: Path, wanted: str, spelling: tuple[str, ...]) -> None:
        words = [word.format(wanted) for word in spelling]
        found = invoke(folder, "timings", *words, "--json").json
        assert (found["before"], found["after"]) == (40, 40)

    def test_the_json_has_these_fields(self, folder: Path) -> None:
        found = invoke(folder, "timings", "--compare", "--json").json
        differences = {one["phase"]: one for one in found.pop("differences")}
        assert ISO.fullmatch(found["change"].pop("at"))
        assert found == {
            "version": 1,
            "history": str(history(folder)),
            "restarts": 80,
            "ready": 80,
            "unreadable": 0,
            "target": {"low_s": 5.0, "high_s": 10.0},
            "change": {
                "steps": [
                    {
                        "what": "config",
                        "before": "aaaa11112222",
                        "after": "bbbb11112222",
                        "settings": [{"key": "stop.close_timeout", "before": None, "after": 20.0}],
                    }
                ]
            },
            "before": 40,
            "after": 40,
        }
        close = differences.pop("close")
        assert close["difference_ms"] == close["after_ms"] - close["before_ms"] > 150
        assert (close["count_before"], close["count_after"], close["evident"]) == (40, 40, True)
        assert close["p"] < 0.01
        assert differences["boot"] == {
            "phase": "boot",
            "count_before": 40,
            "count_after": 40,
            "before_ms": 400.0,
            "after_ms": 400.0,
            "difference_ms": 0.0,
            "p": 1.0,
            "evident": False,
        }

    def test_without_a_change_it_says_so(self, tmp_path: Path) -> None:
        record(tmp_path, *(restart(at, setup=OLD) for at in range(3)))
        ended = invoke(tmp_path, "timings", "--compare")
        assert ended.status == 0
        assert "No version and no configuration has changed in 3 restarts" in ended.out
        found = invoke(tmp_path, "timings", "--compare", "--json").json
        assert (found["change"], found["before"], found["after"], found["differences"]) == (None, None, None, None)

    def test_too_few_are_shown_but_not_judged(self, tmp_path: Path) -> None:
        record(tmp_path, *changed(3, 30))
        out = invoke(tmp_path, "timings", "--compare").out
        assert out.count("too few to tell") == 4
        assert "At least 8 restarts on each side are needed" in out

    def test_what_is_not_there_is_refused_with_what_is(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--compare", "7.7.7")
        assert (ended.status, ended.out) == (2, "")
        assert "Recorded are: browser 155.0.1, configuration aaaa11112222" in ended.err


class TestPicture:
    def test_it_is_a_png(self, tmp_path: Path) -> None:
        record(tmp_path, *changed(5, 5), restart(99, 9000, phases={"warp": 7}))
        target = tmp_path / "out.png"
        target.write_bytes(b"the one before")
        ended = invoke(tmp_path, "timings", "--png", str(target))
        assert (ended.status, ended.out) == (0, f"Drawn: 11 restarts, in {target}.\n")
        picture = target.read_bytes()
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert picture.endswith(b"IEND\xaeB`\x82")
        assert sorted(path.name for path in tmp_path.iterdir()) == [".session-cache", "out.png"]

    @pytest.mark.parametrize("restarts", [[restart()], [restart(total_ms=0, phases_ms={})] * 2, [restart()] * 900])
    def test_few_none_at_all_and_many_can_be_drawn(self, restarts: list[Restart]) -> None:
        assert png(restarts, Target(5, 10), "$a file's name$").startswith(b"\x89PNG")

    def test_without_the_extra_it_says_how_to_install_it(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        ended = invoke(folder, "timings", "--png", str(folder / "out.png"))
        assert (ended.status, ended.out) == (2, "")
        assert "pipx inject scanonce matplotlib" in ended.err
        assert "scanonce[plot]" in ended.err
        assert not (folder / "out.png").exists()

    @pytest.mark.parametrize("place", ["no/such/folder.png", ".", "/dev/null"])
    def test_where_it_cannot_be_written_nothing_is(self, folder: Path, place: str) -> None:
        before = sorted(folder.iterdir())
        ended = invoke(folder, "timings", "--png", str(folder / place))
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith("scanonce: ")
        assert sorted(folder.iterdir()) == before
        assert "scanonce-tmp" not in ended.err, "a name that nobody has chosen"

    def test_of_nothing_none_is_drawn(self, folder: Path) -> None:
        ended = invoke(folder, "timings", "--outcome", "failed", "--png", str(folder / "out.png"))
        assert (ended.status, ended.out) == (1, "")
        assert not (folder / "out.png").exists()


class TestFew:
    def test_one_restart_is_one_moment_and_no_drawing(self, tmp_path: Path) -> None:
        record(tmp_path, restart(1))
        ended = invoke(tmp_path, "timings")
        assert ended.out.startswith("1 restart, 2026-01-31 18:01:00.\n")
        assert "Totals" not in ended.out
        assert ended.out.endswith("over 0.0% (0)\n")

    def test_none_since_a_moment_is_told_with_the_moment(self, tmp_path: Path) -> None:
        nothing = f"No restart is recorded in {history(tmp_path)}"
        assert invoke(tmp_path, "timings").out.startswith(f"{nothing} yet. ")
        record(tmp_path, restart(1))
        ended = invoke(tmp_path, "timings", "--since", "2026-02-01")
        assert ended.out.startswith(f"{nothing} since 2026-02-01 00:00:00. ")


class TestTrouble:
    def test_a_damaged_history_is_told_and_left_alone(self, folder: Path) -> None:
        history(folder).write_bytes(b"not a database" * 100)
        ended = run(folder, "timings")
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith(f"scanonce: The history {history(folder)} is damaged (file is not a database).")
        assert history(folder).read_bytes() == b"not a database" * 100

    def test_records_that_make_no_sense_are_counted(self, folder: Path) -> None:
        db = sqlite3.connect(history(folder))
        db.execute("UPDATE restarts SET phases_ms = 'x' WHERE id = 2")
        db.commit()
        db.close()
        ended = invoke(folder, "timings", "--json")
        assert (ended.status, ended.json["unreadable"], ended.json["restarts"]) == (0, 1, 3)
        assert ended.err == f"scanonce: 1 record in {history(folder)} left out: not readable.\n"

    def test_one_that_may_not_be_read_says_so(self, folder: Path) -> None:
        history(folder).chmod(0)
        ended = run(folder, "timings", weak=True)
        assert (ended.status, ended.out) == (2, "")
        assert ended.err.startswith(f"scanonce: Permission denied ({history(folder)}).")

    def test_where_nothing_may_be_written_it_is_read_all_the_same(self, folder: Path) -> None:
        history(folder).chmod(0o400)
        history(folder).parent.chmod(0o500)
        try:
            ended = run(folder, "timings", "--json", weak=True)
        finally:
            history(folder).parent.chmod(0o700)
        assert (ended.status, ended.json["restarts"]) == (0, 4)

    def test_a_configured_cache_and_target_count(self, folder: Path) -> None:
        (folder / "scanonce.toml").write_text("[timing]\ntarget_low = '1ms'\ntarget_high = '600ms'\n")
        assert invoke(folder, "timings", "--json").json["targets"] == {"ahead": 0, "within": 1, "over": 2}
        (folder / "scanonce.toml").write_text("[session]\ncache = 'elsewhere'\n")
        assert invoke(folder, "timings", "--json").json["restarts"] == 0


def test_a_supervisor_carries_nothing_of_this() -> None:
    code = "import sys, supervisor.cli.run, supervisor.bootstrap; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert "supervisor.bootstrap" in loaded
    heavy = {"plotext", "matplotlib", "supervisor.timing.history_reader", "supervisor.timing.compare"}
    assert heavy.isdisjoint(loaded)


async def test_a_running_supervisor_records_what_its_restarts_ran_with(project: Project) -> None:
    project.configure("[stop]\nclose_timeout = '20s'\n")
    running = await project.start("run")
    await running.until("restart.done")
    assert await running.stop() == 143
    (listed,) = invoke(project.folder, "timings", "--json", "--starts").json["list"]
    assert (listed["reason"], listed["scanonce_version"]) == ("start", __version__)
    assert re.fullmatch("[0-9a-f]{12}", listed["config"])
    db = sqlite3.connect(history(project.folder))
    ((fingerprint, settings),) = db.execute("SELECT fingerprint, settings FROM configurations").fetchall()
    db.close()
    assert fingerprint == listed["config"]
    assert json.loads(settings)["stop.close_timeout"] == 20.0

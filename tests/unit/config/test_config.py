"""The configuration: what it accepts, what it says when it does not, and that its texts are up to date."""

import json
import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from supervisor.config import docgen
from supervisor.config.error_messages import known_keys
from supervisor.config.issues import ConfigError, ConfigIssue
from supervisor.config.loader import load
from supervisor.config.modes import BY_MODE, Mode
from supervisor.config.schema import Config
from supervisor.config.sections.stop import StopConfig
from supervisor.config.toml_lines import key_lines
from supervisor.config.types import parse_duration, parse_size
from tests import ROOT


def issues(project: Path, text: str, overrides: Mapping[str, Any] = MappingProxyType({})) -> list[ConfigIssue]:
    (project / "scanonce.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(project, mode=Mode.DEV, overrides=overrides)
    return list(caught.value.issues)


def issue(project: Path, text: str) -> ConfigIssue:
    (only,) = issues(project, text)
    return only


def loaded(project: Path, text: str, mode: Mode = Mode.DEV) -> Config:
    (project / "scanonce.toml").write_text(text, encoding="utf-8")
    return load(project, mode=mode)


# -- defaults and layers ---------------------------------------------------------------------------------------------


def test_no_file_is_all_defaults(tmp_path: Path) -> None:
    assert load(tmp_path, mode=Mode.DEV) == Config()


@pytest.mark.parametrize("key", BY_MODE)
def test_some_defaults_differ_by_mode(tmp_path: Path, key: str) -> None:
    section, name = key.split(".")
    dev, run = (getattr(getattr(load(tmp_path, mode=mode), section), name) for mode in (Mode.DEV, Mode.RUN))
    assert dev != run
    assert getattr(getattr(Config(), section), name) == dev


def test_the_command_line_wins_over_the_file_and_the_file_over_the_mode(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text('stop.grace = "3s"\nready.timeout = "9s"\n')
    config = load(tmp_path, mode=Mode.RUN, overrides={"stop.grace": "4s", "bot.command": ["node", "a b.js"]})
    assert (config.stop.grace, config.ready.timeout, config.log.format) == (4.0, 9.0, "auto")
    assert config.bot.command == ("node", "a b.js")


def test_a_named_file_replaces_the_projects(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_text('stop.grace = "3s"')
    other = tmp_path / "other.toml"
    other.write_text('stop.grace = "4s"')
    assert load(tmp_path, other, mode=Mode.DEV).stop.grace == 4.0


def test_the_configuration_cannot_be_changed(tmp_path: Path) -> None:
    config = load(tmp_path, mode=Mode.DEV)
    with pytest.raises(ValidationError, match="frozen"):
        config.stop.grace = 1.0


def test_overrides_are_not_kept(tmp_path: Path) -> None:
    env = {"A": "1"}
    config = load(tmp_path, mode=Mode.DEV, overrides={"bot.env": env})
    env["A"] = "2"
    assert config.bot.env == {"A": "1"}


# -- values with a form of their own ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("10s", 10.0),
        ("0s", 0.0),
        ("5m", 300.0),
        ("5min", 300.0),
        ("1.5h", 5400.0),
        ("7d", 604800.0),
        ("2w", 1209600.0),
        (" 10 S ", 10.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (10, "a bare number: a duration needs a unit"),
        (0.5, "a bare number"),
        (math.inf, "a bare number"),
        ("10", "no unit"),
        ("1.5", "no unit"),
        ("", "expected a duration"),
        ("-1s", "expected a duration"),
        ("1e3s", "expected a duration"),
        ("1h30m", "expected a duration"),
        ("٣s", "expected a duration"),
        ("10 parsec", "unknown unit 'parsec': a duration takes one of ms, s, min, h, d, w"),
        ("9" * 400 + "s", "unknown unit|at most"),
        ("200000d", "at most 100 years"),
        (True, "expected a duration"),
        (None, "expected a duration"),
        (["1s"], "expected a duration"),
    ],
)
def test_what_is_no_duration_says_what_was_expected(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_duration(value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("500MB", 5 * 10**8), ("2GB", 2 * 10**9), ("1.5GiB", 3 * 2**29), ("1kB", 1000), ("0B", 0), ("1 TiB", 2**40)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (2, "a bare number: a size needs a unit"),
        ("2", "no unit"),
        ("2XB", "unknown unit 'XB': a size takes one of B, kB"),
        ("9000000TiB", "at most 4 EiB"),
        ("many", "expected a size"),
    ],
)
def test_what_is_no_size_says_what_was_expected(value: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_size(value)


@given(st.integers(0, 10**6), st.sampled_from(["ms", "s", "min", "h", "d", "w"]))
def test_durations_scale_with_their_number(number: int, unit: str) -> None:
    if (one := parse_duration(f"1{unit}")) * number < 100 * 365 * 86400:
        assert parse_duration(f"{number}{unit}") == pytest.approx(number * one)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ('"node index.js"', ("node", "index.js")),
        ("""'node "my bot.js" --x=1'""", ("node", "my bot.js", "--x=1")),
        ('["node", "my bot.js"]', ("node", "my bot.js")),
        ("[]", ()),
    ],
)
def test_a_command_is_a_list_or_split_as_a_shell_does(tmp_path: Path, written: str, words: tuple[str, ...]) -> None:
    assert loaded(tmp_path, f"bot.command = {written}").bot.command == words


def test_paths_stay_as_written_and_home_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/maria")
    monkeypatch.setenv("USERPROFILE", "/home/maria")
    config = loaded(tmp_path, 'session.cache = "~/keep"\nsession.profiles = ["a/b", "/c"]')
    assert config.session.cache == Path("/home/maria/keep")
    assert config.session.profiles == (Path("a/b"), Path("/c"))


def test_a_schedule_is_a_duration_or_off(tmp_path: Path) -> None:
    assert load(tmp_path, mode=Mode.DEV).snapshot.schedule is None
    assert loaded(tmp_path, 'snapshot.schedule = "6h"').snapshot.schedule == 21600.0
    assert loaded(tmp_path, 'snapshot.schedule = "off"').snapshot.schedule is None


@pytest.mark.parametrize(("written", "value"), [("off", None), ("24h", "24h"), ("*/5 4-6 * * MON", "*/5 4-6 * * MON")])
def test_a_plan_is_a_cron_expression_or_a_length_of_time(tmp_path: Path, written: str, value: str | None) -> None:
    assert loaded(tmp_path, f'restart.schedule = "{written}"').restart.schedule == value


@pytest.mark.parametrize(("written", "value"), [('"auto"', "auto"), ("true", True), ("false", False)])
def test_polling_is_auto_or_a_plain_yes_or_no(tmp_path: Path, written: str, value: object) -> None:
    assert loaded(tmp_path, f"watch.poll = {written}").watch.poll == value


# -- what is wrong, and where ----------------------------------------------------------------------------------------


def test_every_finding_comes_at_once_with_its_line(tmp_path: Path) -> None:
    text = """\
# a comment
[stop]

grace = 10
sginal = "SIGTERM"
order = "browser"

[bot]
command = '''
node "index.js
'''
env = { PORT = 3000 }
[watch]
paths = [
  "a",
  3,
]
"""
    found = [(i.line, i.key, i.message) for i in issues(tmp_path, text)]
    assert found == [
        (4, "stop.grace", 'a bare number: a duration needs a unit, for example "10s" (got 10)'),
        (5, "stop.sginal", "unknown key; did you mean stop.signal?"),
        (6, "stop.order", 'expected "browser-first" or "bot-first" (got "browser")'),
        (9, "bot.command", 'a quote or backslash in the command is not closed (got "node "index.js\\n")'),
        (12, "bot.env.PORT", "expected a string"),
        (14, "watch.paths.1", "expected a path as a string (got 3)"),
    ]


def test_a_finding_reads_as_one_line_with_its_place(tmp_path: Path) -> None:
    text = str(issue(tmp_path, "stop.grace = 10"))
    assert text.startswith(f"{tmp_path / 'scanonce.toml'}:1: stop.grace: a bare number")


@pytest.mark.parametrize(
    ("text", "key", "says"),
    [
        ('stop.graze = "1s"', "stop.graze", "did you mean stop.grace?"),
        ('grace = "1s"', "grace", "did you mean stop.grace?"),
        ('browser.close_timeout = "1s"', "browser.close_timeout", "did you mean stop.close_timeout?"),
        ("[snapshots]\nenabled = true", "snapshots", "unknown section; did you mean snapshot?"),
        ("ready.page.pol = 1", "ready.page.pol", "did you mean ready.page.poll?"),
        ("[log]\nxyzzy = 1", "log.xyzzy", "expected one of format"),
        ("[[plugins]]\na = 1", "plugins", "expected one of bot, stop, ready"),
        ('"stop.grace" = "1s"', "stop.grace", "did you mean stop.grace?"),
        ("stop = 3", "stop", "expected a table of options (got 3)"),
        ("[[stop]]", "stop", "expected a table of options (got a list)"),
        ("session.check = 1", "session.check", "expected true or false (got 1)"),
        ('session.check = "yes"', "session.check", 'expected true or false (got "yes")'),
        ('restart.limit = "3"', "restart.limit", 'expected a whole number (got "3")'),
        ("restart.limit = true", "restart.limit", "expected a whole number (got true)"),
        ("restart.limit = 1.0", "restart.limit", "expected a whole number (got 1.0)"),
        ("restart.limit = 0", "restart.limit", "expected at least 1 (got 0)"),
        ('restart.no_restart_codes = ["1"]', "restart.no_restart_codes.0", "expected a whole number"),
        ('snapshot.max_age = "0s"', "snapshot.max_age", 'above zero (got "0s")'),
        ('snapshot.schedule = "0s"', "snapshot.schedule", 'above zero, or "off"'),
        ('restart.schedule = "0 4 * *"', "restart.schedule", "has five fields: minute, hour, day, month, weekday"),
        ('restart.schedule = "0 4 * * * *"', "restart.schedule", "has five fields"),
        ('restart.schedule = "60 4 * * *"', "restart.schedule", "bad minute"),
        ('restart.schedule = "0 0 30 2 *"', "restart.schedule", "bad day"),
        ('restart.schedule = "0s"', "restart.schedule", "above zero"),
        ("restart.schedule = 4", "restart.schedule", 'expected a cron expression such as "0 4 * * *", a duration'),
        ('health.max_memory = "2"', "health.max_memory", "no unit"),
        ("health.http_failures = 0", "health.http_failures", "at least 1"),
        ('health.http_timeout = "31s"', "health", "http_timeout is longer than http_interval"),
        ("watch.paths = []", "watch.paths", "at least one entry (got an empty list)"),
        ('watch.paths = [""]', "watch.paths.0", "a path; it is empty"),
        ('watch.ext = "js"', "watch.ext", 'expected a list (got "js")'),
        ("watch.poll = 1", "watch.poll", 'expected "auto", true or false (got 1)'),
        ('session.cache = "a\\u0000b"', "session.cache", "NUL"),
        ('bot.command = "  "', "bot.command", "the command is empty"),
        ('bot.command = ["", "x"]', "bot.command", "name of a program"),
        ('bot.command = ["a\\u0000"]', "bot.command.0", "NUL"),
        ("bot.command = 3", "bot.command", "expected a command"),
        ('bot.env = "A=1"', "bot.env", "expected a table"),
        ('ready.output = "(("', "ready.output", "not a valid regular expression: missing )"),
        ('restart.schedule = "every monday"', "restart.schedule", "expected a cron expression such as"),
        ('notify.webhooks = ["ftp://foo"]', "notify.webhooks.0.url", 'URL such as "https://example.org/bot"'),
        ('ready.http = "127.0.0.1:3000"', "ready.http", "expected an http or https URL such as"),
        ('ready.http = "http://h:99999/"', "ready.http", "expected an http or https URL such as"),
        ('ready.http = "http://h/a b"', "ready.http", "without spaces"),
        ('ready.http = "file:///etc/passwd"', "ready.http", "expected an http or https URL such as"),
        ('ready.method = "http"', "ready", "http, the URL to request, is not set"),
        ('ready.method = "output"', "ready", "output, the pattern to look for, is not set"),
        ('ready.page.needs_login = "x"', "ready.page", "needs_login is set without ready"),
        ('timing.target_low = "11s"', "timing", "target_low is longer than target_high"),
        ('restart.backoff_max = "1ms"', "restart", "backoff_initial is longer than backoff_max"),
        ("stop.signal = 1979-05-27", "stop.signal", "(got 1979-05-27)"),
        (f'stop.signal = "{"x" * 99}"', "stop.signal", "x…)"),
        ('stop.signal = "\\u001b[31m"', "stop.signal", r"\x1b[31m"),
    ],
)
def test_a_wrong_value_says_what_was_expected(tmp_path: Path, text: str, key: str, says: str) -> None:
    found = issue(tmp_path, text)
    assert (found.key, found.line) == (key, 1 if "\n" not in text or found.key.count(".") == 0 else 2)
    assert says in found.message


def test_the_command_line_is_named_as_the_place(tmp_path: Path) -> None:
    found = issues(
        tmp_path,
        '[stop]\ngrace = "1s"\norder = "x"',
        {"log.format": "xml", "stop.grace": 5, "no.such": 1, "timing.target_low": "20s"},
    )
    assert [str(i).split(":")[0] for i in found] == [str(tmp_path / "scanonce.toml")] + ["command line"] * 4
    assert [i.key for i in found] == ["stop.order", "stop.grace", "timing.target_low", "log.format", "no.such"]


def test_values_of_the_environment_are_not_repeated(tmp_path: Path) -> None:
    assert "4711" not in str(issue(tmp_path, "bot.env = { PIN = 4711 }"))


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a = \nb = 1\n", 1, 5),
        ("[stop]\ngrace == 1\n", 2, 8),
        ('[stop]\n\ngrace = "1s', 3, 12),
        ("[stop\n", 1, 6),
        ("a = 1\n[b]\n[b]\n", 3, 3),
    ],
)
def test_a_syntax_error_has_line_and_column(tmp_path: Path, text: str, line: int, column: int) -> None:
    found = issue(tmp_path, text)
    assert (found.line, found.column) == (line, column)
    assert found.message.startswith("not valid TOML: ")
    assert "(at" not in found.message


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load(tmp_path, tmp_path / "missing.toml", mode=Mode.DEV)
    (tmp_path / "scanonce.toml").mkdir()
    with pytest.raises(ConfigError, match="cannot be read: "):
        load(tmp_path, mode=Mode.DEV)


def test_a_project_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the project does not exist"):
        load(tmp_path / "missing", mode=Mode.DEV)
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="the project is not a directory"):
        load(tmp_path / "file", mode=Mode.DEV)


def test_a_file_in_another_encoding_is_an_error_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_bytes(b"[bot]\ncwd = 'caf\xe9'\n")
    with pytest.raises(ConfigError, match=r"scanonce.toml:2: not UTF-8"):
        load(tmp_path, mode=Mode.DEV)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000 + "]" * 5000, "a = " + "9" * 5000])
def test_toml_that_breaks_the_parser_is_an_error(tmp_path: Path, text: str) -> None:
    assert "cannot be parsed" in issue(tmp_path, text).message


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    (tmp_path / "scanonce.toml").write_bytes(b'\xef\xbb\xbf[stop]\r\ngrace = "3s"\r\n')
    assert load(tmp_path, mode=Mode.DEV).stop.grace == 3.0
    (tmp_path / "scanonce.toml").write_bytes(b"\xef\xbb\xbf[stop]\r\n\r\ngrace = 3\r\n")
    with pytest.raises(ConfigError, match=r"scanonce.toml:3: stop.grace"):
        load(tmp_path, mode=Mode.DEV)


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
def test_whatever_is_in_the_file_is_a_configuration_or_a_configuration_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    try:
        load(file.parent, file, mode=Mode.RUN)
    except ConfigError as error:
        assert str(error)  # noqa: PT017  either outcome is right


_toml_values = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=2)),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from(sorted(known_keys())), _toml_values, max_size=4), st.sampled_from(Mode))
def test_whatever_an_option_is_set_to_is_taken_or_reported_under_its_key(
    tmp_path_factory: pytest.TempPathFactory, overrides: dict[str, object], mode: Mode
) -> None:
    try:
        load(tmp_path_factory.getbasetemp(), mode=mode, overrides=overrides)
    except ConfigError as error:
        for found in error.issues:
            section = found.key.split(".")[0]
            assert any(key == section or key.startswith(f"{section}.") for key in overrides)


# -- positions -------------------------------------------------------------------------------------------------------


def test_lines_are_found_through_every_form_of_toml() -> None:
    text = '''\
top = 1 # [no]
"quoted.key" = """
[not.a.table]
x = 1
"""
[ a . "b" ]   # header
c.d = [
  1, # ]
  "]",
]

e = { f = 1, g = { h = 2 } }
[[list]]
i = \'\'\'
# not a comment\'\'\'
[[list]]
i = 2
[list.sub]
j = "\u2028"
k = 1'''
    assert key_lines(text) == {
        ("top",): 1,
        ("quoted.key",): 2,
        ("a",): 6,
        ("a", "b"): 6,
        ("a", "b", "c"): 7,
        ("a", "b", "c", "d"): 7,
        ("a", "b", "e"): 12,
        ("a", "b", "e", "f"): 12,
        ("a", "b", "e", "g"): 12,
        ("a", "b", "e", "g", "h"): 12,
        ("list",): 13,
        ("list", "0"): 13,
        ("list", "i"): 14,
        ("list", "0", "i"): 14,
        ("list", "1"): 16,
        ("list", "1", "i"): 17,
        ("list", "sub"): 18,
        ("list", "1", "sub"): 18,
        ("list", "sub", "j"): 19,
        ("list", "1", "sub", "j"): 19,
        ("list", "sub", "k"): 20,
        ("list", "1", "sub", "k"): 20,
    }


def test_webhooks_are_urls_or_tables_with_a_secret_and_a_timeout_of_their_own(tmp_path: Path) -> None:
    text = """
[notify]
webhooks = ["https://a.example/x", "env:B", { url = "file:c", secret = "env:C_SECRET", timeout = "3s" }]
"""
    assert [(one.url, one.secret, one.timeout) for one in loaded(tmp_path, text).notify.webhooks] == [
        ("https://a.example/x", None, None),
        ("env:B", None, None),
        ("file:c", "env:C_SECRET", 3.0),
    ]


def test_mistakes_in_a_webhook_are_named_with_their_line_and_no_secret(tmp_path: Path) -> None:
    text = """
[[notify.webhooks]]
url = "https://a.example/s3cret"
sceret = "s3cret"

[[notify.webhooks]]
secret = "s3cret"
timeout = 3
qr = true
"""
    with pytest.raises(ConfigError) as raised:
        loaded(tmp_path, text)
    said = str(raised.value).replace(f"{tmp_path / 'scanonce.toml'}:", "")
    assert said.splitlines() == [
        "4: notify.webhooks.0.sceret: unknown key; did you mean secret?",
        "6: notify.webhooks.1.url: missing",
        '7: notify.webhooks.1.secret: expected a reference to the secret: "env:NAME" or "file:PATH"',
        '8: notify.webhooks.1.timeout: a bare number: a duration needs a unit, for example "10s"',
        "9: notify.webhooks.1.qr: unknown key; expected url, secret, timeout",
    ]


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,4}", fullmatch=True),
        st.dictionaries(st.from_regex(r"[a-z]{1,4}", fullmatch=True), _text, max_size=3),
        max_size=3,
    ),
    st.lists(st.sampled_from(["", "# c", " \t"]), min_size=1, max_size=3),
    st.booleans(),
)
def test_each_key_is_found_on_the_line_it_was_written_on(
    tables: dict[str, dict[str, str]], filler: list[str], windows: bool
) -> None:
    lines: list[str] = []
    expected: dict[tuple[str, ...], int] = {}
    for table, options in tables.items():
        lines += [*filler, f"[{table}]"]
        expected[(table,)] = len(lines)
        for key, value in options.items():
            expected[table, key] = len(lines) + 1
            lines += [f"{key} = [", *filler, json.dumps(value, ensure_ascii=False), "]"]
    text = ("\r\n" if windows else "\n").join(lines).replace("\x7f", "\\u007f")
    tomllib.loads(text)
    assert key_lines(text) == expected


# -- the texts about it ----------------------------------------------------------------------------------------------


def example() -> str:
    return (ROOT / "config.example.toml").read_text(encoding="utf-8")


def uncommented(text: str) -> str:
    return re.sub(r"^#(?=\w)", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("mode", Mode)
def test_the_example_changes_nothing_when_copied(tmp_path: Path, mode: Mode) -> None:
    (tmp_path / "scanonce.toml").write_text(example(), encoding="utf-8")
    assert load(tmp_path, mode=mode) == load(tmp_path.parent, mode=mode)


def test_the_defaults_in_the_example_are_the_real_ones(tmp_path: Path) -> None:
    without_examples = "".join(line for line in example().splitlines(True) if docgen.NOT_SET not in line)
    text = uncommented(without_examples)
    assert loaded(tmp_path, text) == Config()
    assert "grace" in tomllib.loads(text)["stop"]


def test_every_value_in_the_example_is_valid(tmp_path: Path) -> None:
    config = loaded(tmp_path, uncommented(example()))
    assert config.bot.command == ("node", "index.js")


def test_the_example_and_the_page_hold_every_option() -> None:
    def keys(table: dict[str, Any], prefix: str = "") -> set[str]:
        found = set()
        for name, value in table.items():
            found.add(prefix + name)
            if isinstance(value, dict) and prefix + name != "bot.env":
                found |= keys(value, f"{prefix}{name}.")
        return found

    assert keys(tomllib.loads(uncommented(example()))) == set(known_keys())
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert all(f"`{key.rpartition('.')[2]}`" in page or f"`[{key}]`" in page for key in known_keys())


@pytest.mark.parametrize(
    ("path", "text"), [("config.example.toml", docgen.example_toml), ("docs/configuration.md", docgen.page)]
)
def test_the_written_reference_is_current(path: str, text: Any) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == text(), "print it anew: python -m supervisor.config"


def test_every_option_says_what_it_is_and_why_one_would_change_it() -> None:
    def check(model: type[BaseModel]) -> None:
        assert model.__doc__
        for name, field in model.model_fields.items():
            if isinstance(field.default, BaseModel):
                check(type(field.default))
            else:
                assert field.description is not None, name
                assert len(re.findall(r"[.](?: |$)", field.description)) >= 2 or ";" in field.description, name

    check(Config)


def test_the_schema_describes_what_is_written_not_what_is_read() -> None:
    written = json.loads(docgen.json_schema())
    grace = written["$defs"]["StopConfig"]["properties"]["grace"]
    assert grace["default"] == "50ms"
    assert re.fullmatch(grace["pattern"], "1.5h")
    assert not re.fullmatch(grace["pattern"], "15")
    assert written["$defs"]["StopConfig"]["additionalProperties"] is False


@given(st.text(alphabet="0123456789.msinhdw ", max_size=8))
def test_the_schema_and_the_parser_agree_on_durations(text: str) -> None:
    try:
        parse_duration(text)
    except ValueError as error:
        accepted = "at most" in str(error)  # the length of a duration is nothing that a pattern can know
    else:
        accepted = True
    assert accepted == bool(re.fullmatch(schema_pattern("StopConfig", "grace"), text.strip(" ")))


def schema_pattern(model: str, field: str) -> str:
    return str(json.loads(docgen.json_schema())["$defs"][model]["properties"][field]["pattern"])


def test_a_section_can_be_built_by_hand_with_values_as_written() -> None:
    assert StopConfig.model_validate({"grace": "1s"}).grace == 1.0

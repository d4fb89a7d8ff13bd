"""The quick look at a configuration agrees with the models, and reads them only where the file sets something."""

from __future__ import annotations

from pathlib import Path

import pytest

from supervisor.config import quick
from supervisor.config.loader import load
from supervisor.config.modes import Mode
from supervisor.config.schema import Config


def expected(config: Config) -> quick.Quick:
    return quick.Quick(config.session.cache, config.timing.target_low, config.timing.target_high)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[bot]\ncommand = 'node index.js'\n[session]\nprofiles = []\n",
        "\ufeff[session]\ncache = 'elsewhere'\n",
        "[timing]\ntarget_low = '1ms'\n",
        "timing.target_high = '1h'\n",
    ],
)
def test_it_agrees_with_the_models(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "scanonce.toml").write_text(text, encoding="utf-8")
    assert quick.read(tmp_path, None) == expected(load(tmp_path, mode=Mode.DEV))


def test_it_reads_the_file_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("[timing]\ntarget_low = '2s'\n")
    assert quick.read(tmp_path, tmp_path / "other.toml").target_low == 2.0


@pytest.mark.parametrize("text", ["[timing", "[timing]\ntarget_low = 'soon'\n", "timing = 3\n", "[x]\ny = 1\n", "\0"])
def test_a_configuration_with_mistakes_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "scanonce.toml").write_text(text)
    assert quick.read(tmp_path, None) == quick.Quick()
    assert quick.read(tmp_path / "missing", None) == quick.Quick()

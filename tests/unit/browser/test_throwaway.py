"""Which profiles are to be thrown away."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from supervisor.browser.throwaway import is_throwaway, temporary_folders


@pytest.mark.parametrize(
    "name",
    [
        "puppeteer_dev_chrome_profile-XYzk3a",
        "puppeteer_dev_profile-aB3dEf",
        "playwright_chromiumdev_profile-h2Kd9x",
        "org.chromium.Chromium.AbC123",
        ".org.chromium.Chromium.AbC123",
        ".com.google.Chrome.x1Y2z3",
        "com.google.Chrome.scoped_dir.x1Y2z3",
        "scoped_dir4711_1234567",
    ],
)
def test_a_default_of_a_library_is_one_wherever_it_lies(name: str) -> None:
    assert is_throwaway(Path("/srv/bot/tmp") / name)


@pytest.mark.parametrize(
    "name",
    ["session-1", "session", "puppeteer_dev_chrome_profile", "my-puppeteer_dev_chrome_profile-XYzk3a", "RemoteAuth"],
)
def test_another_name_is_none(name: str) -> None:
    assert not is_throwaway(Path("/srv/bot/sessions") / name)


def test_what_is_new_in_a_temporary_folder_is_one(tmp_path: Path) -> None:
    old = tmp_path / "old" / "profile"
    old.mkdir(parents=True)
    time.sleep(0.02)  # the kernel's clock for files ticks every few milliseconds
    since = time.time()
    time.sleep(0.02)
    new = tmp_path / "new" / "profile"
    new.mkdir(parents=True)
    younger = tmp_path / "old" / "later"
    younger.mkdir()
    places = [tmp_path, tmp_path.parent]
    assert is_throwaway(new, temporary=places, since=since)
    assert is_throwaway(tmp_path / "not-made-yet", temporary=places, since=since)
    assert not is_throwaway(old, temporary=places, since=since)
    assert not is_throwaway(younger, temporary=places, since=since), "its folder outlives the run"
    assert not is_throwaway(new, temporary=[tmp_path / "elsewhere"], since=since)
    assert not is_throwaway(new, temporary=places), "the time of the start is not known"


def test_the_folders_are_those_of_the_bots_environment(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert tmp_path.resolve() in temporary_folders({"TMPDIR": str(link)})
    assert Path("tmp") not in temporary_folders({"TMPDIR": "tmp"})

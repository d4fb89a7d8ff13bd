"""A folder is told apart from the one that takes its place, whatever the file system makes of its number."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from supervisor.session.profiles.folder_identity import ProfileIdentity, born, identify


def profile(folder: Path) -> Path:
    (folder / "Default").mkdir(parents=True)
    return folder


def test_a_folder_that_is_used_stays_the_same(tmp_path: Path) -> None:
    before = identify(profile(tmp_path / "p"))
    (tmp_path / "p/Default/Preferences").write_text("{}")
    (tmp_path / "p/Default/Cookies").mkdir()
    assert identify(tmp_path / "p") == before
    assert not before.replaced_by(identify(tmp_path / "p"))


def test_a_new_folder_with_the_number_of_the_old_one_is_another(tmp_path: Path) -> None:
    before = identify(profile(tmp_path / "p"))
    for _ in range(20):  # ext4 gives the number to the next folder at once
        shutil.rmtree(tmp_path / "p")
        time.sleep(0.01)
        assert before.replaced_by(identify(profile(tmp_path / "p")))


def test_what_is_removed_or_emptied_is_gone_and_what_is_added_is_not(tmp_path: Path) -> None:
    folder = profile(tmp_path / "p")
    before = identify(folder)
    (folder / "Default").rmdir()
    emptied = identify(folder)
    assert before.replaced_by(emptied)
    assert not emptied.gone
    (folder / "Default").mkdir()
    assert not emptied.replaced_by(identify(folder)), "Chromium makes it"
    shutil.rmtree(folder)
    assert identify(folder).gone
    assert before.replaced_by(identify(folder))
    assert not ProfileIdentity().replaced_by(before)


def test_the_birth_of_a_folder_is_the_time_at_which_it_was_made(tmp_path: Path) -> None:
    began = time.time()
    time.sleep(0.02)  # the kernel's clock for files ticks every few milliseconds
    folder = profile(tmp_path / "p")
    made = born(folder)
    assert made is not None
    assert began <= made <= time.time()
    assert born(tmp_path / "none") is None

"""The caches inside a profile: what Chromium fills again by itself. Left alone unless they grow past a size."""

import os
from pathlib import Path

from supervisor.session.profiles.profile import TRASH_SUFFIX, holds_foreign_files, is_cache
from supervisor.system import files


def trim(profile: Path, above: int) -> int:
    """Empty the caches of a free profile if they hold more than `above` bytes; returns the bytes freed.

    Raises `OSError`; what is left is still a working cache, or none.
    """
    folders = _caches(profile) if not holds_foreign_files(profile) else []
    size = sum(_size(folder) for folder in folders)
    if size <= above:
        return 0
    # Those first that an earlier run was killed while removing: the others take their names.
    for folder in sorted(folders, key=lambda folder: not folder.name.endswith(TRASH_SUFFIX)):
        trash = folder
        if not folder.name.endswith(TRASH_SUFFIX):
            # Renamed first: Chromium must not find half a cache, should we be killed in the midst of it.
            trash = folder.with_name(folder.name + TRASH_SUFFIX)
            files.rename(folder, trash)
        files.remove_tree(trash)
    return size


def _caches(profile: Path) -> list[Path]:
    found = []
    for folder, names, _ in os.walk(profile):
        found += [Path(folder, name) for name in names if is_cache(name) and not Path(folder, name).is_symlink()]
        names[:] = [name for name in names if not is_cache(name)]
    return found


def _size(folder: Path) -> int:
    return sum(
        os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118
        for place, _, names in os.walk(folder)
        for name in names
    )

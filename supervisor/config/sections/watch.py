"""The section `[watch]`: which files restart the bot."""

from pathlib import Path

from supervisor.config.types import Bool, Duration, FilePaths, Poll, Section, Str, option


class WatchConfig(Section):
    """Which files restart the bot (`scanonce dev`)."""

    paths: FilePaths = option(
        (Path(),),
        "The files and folders that are watched. Narrow it if the project holds much that is no code.",
    )
    ext: tuple[Str, ...] = option(
        ("js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "json", "py", "env"),
        "The file name extensions that count; an empty list means every file. Add the bot's own kinds, "
        "templates for instance.",
    )
    ignore: tuple[Str, ...] = option(
        (),
        "Patterns, as in .gitignore, of files that never restart the bot. List the files that the bot itself writes.",
        examples=[["data/", "*.log.json"]],
    )
    gitignore: Bool = option(
        True,
        "Leave out what .gitignore leaves out. Turn it off if a file that git ignores, a local "
        "configuration for instance, should restart the bot.",
    )
    quiet: Duration = option(
        "50ms",
        "The bot starts again once no file has changed for this long. Lengthen it for a build that "
        "writes its files slowly.",
    )
    poll: Poll = option(
        "auto",
        'Compare files regularly instead of waiting for the system\'s notices; "auto" does so where '
        "none arrive (network drives, some containers). Set true if changes go unnoticed.",
    )

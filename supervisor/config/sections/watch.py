"""The section `[watch]`."""

from pathlib import Path

from supervisor.config.types import Bool, Duration, FilePaths, Poll, Section, Str, option


class WatchConfig(Section):
    """Which files restart the bot (`scanonce dev`)."""

    paths: FilePaths = option(
        (Path(),),
        "The files and folders that are watched. Narrow it if the project holds many files that are not code.",
    )
    ext: tuple[Str, ...] = option(
        ("js", "mjs", "cjs", "jsx", "ts", "mts", "cts", "tsx", "json", "py", "env"),
        "The file name extensions that are watched; an empty list means every file. Add those of other files that "
        "the bot reads, such as templates.",
    )
    ignore: tuple[Str, ...] = option(
        (),
        "Patterns, as in .gitignore, of files that never restart the bot. List the files that the bot itself writes.",
        examples=[["data/", "*.log.json"]],
    )
    gitignore: Bool = option(
        True,
        "Ignore what .gitignore ignores. Turn it off if a file that git ignores, such as a local configuration, "
        "should restart the bot.",
    )
    quiet: Duration = option(
        "50ms",
        "The bot is restarted once no file has changed for this long. Lengthen it for a build that writes its files "
        "slowly.",
    )
    poll: Poll = option(
        "auto",
        'Compare files regularly instead of waiting for events of the system; "auto" does so where there are none '
        "(network drives, some containers). Set true if changes go unnoticed.",
    )

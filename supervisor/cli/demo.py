"""`scanonce demo`: the demonstration, and the stand-in phone of the folder that it can leave."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from supervisor.cli import console
from supervisor.cli.options import Project, group

_KEPT = "scanonce-demo"
_INTERRUPTED = 130

app = group()


@app.command("demo")
def demo(
    keep: Annotated[bool, typer.Option("--keep", help=f"Keep the bot's folder: ./{_KEPT}, or FOLDER.")] = False,
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="The folder to keep; it must not exist yet.")
    ] = None,
    scan: Annotated[
        bool, typer.Option("--scan", help="Scan the QR code of the bot in a kept folder, as the phone would.")
    ] = False,
    project: Project = Path(),
) -> None:
    """Show scanonce at work on a real bot, without an account.

    It works offline: WhatsApp's page and the phone are stand-ins. The demo links the bot, edits it three times, deletes
    its profile, and counts what was lost. It needs Node.js and Chromium. With --keep the folder stays, as an offline
    bot to try things on.

    Exit status 0 if everything went as promised, 1 if not.
    """
    from supervisor.demo.offline_bot import SetupError
    from supervisor.demo.page_connection import PageError
    from supervisor.demo.scanonce_process import DemoError
    from supervisor.demo.story import run as run_story
    from supervisor.demo.story import scan as scan_code

    with console.exits():
        try:
            if scan:
                scan_code(project.resolve())
                console.say("scanned")
                return
            kept = Path(folder or _KEPT).absolute() if keep or folder else None
            if kept is not None and kept.exists():
                console.fail(f"{kept} exists already; remove it, or name another folder")
            run_story(kept)
        except SetupError as error:
            console.fail(str(error))
        except (DemoError, PageError) as error:
            console.fail(f"the demo failed: {error}", console.FAILED)
        except (asyncio.CancelledError, KeyboardInterrupt):
            raise typer.Exit(_INTERRUPTED) from None

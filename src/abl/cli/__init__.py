"""The command `abl`: thin commands over the API; every module is imported where it is used."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from typing import NoReturn

from abl.cli.app import app as _app
from abl.cli.families import load_commands
from abl.cli.output import import_nothing_from_here, prepare_output
from abl.cli.termination import INTERRUPTED, exit_status, heed_termination
from abl.processes import note_status

# objects more than were dropped, until the next look; Python's own is 700. A plan comes to half
_GARBAGE = 250_000


def main() -> NoReturn:
    """Entry point of the command."""
    # what is imported stays: to look for garbage in it takes a tenth of a short command
    gc.set_threshold(_GARBAGE)
    status: str | int | None = 0
    try:
        heed_termination()
        prepare_output()
        import_nothing_from_here()
        load_commands(sys.argv[1:])
        _app()
    except SystemExit as end:
        status = end.code
    except KeyboardInterrupt:  # before there was a command to tell of it
        status = INTERRUPTED
    finally:
        # all of it ends with the process; Python would look through it for garbage first, several
        # times: a quarter of a short command, and a second and a half of a sweep
        _close_databases()
        gc.freeze()
    status = exit_status(status)
    note_status(status)
    raise SystemExit(status)


def _close_databases() -> None:
    """Closes the connections that MLflow keeps for later: SQLite leaves files of its own beside a
    database whose connections were not closed. One that is in use, in a thread that is not waited
    for, stays open.
    """
    # no import here: another thread may be at it, and may have been stopped at it
    kind = getattr(sys.modules.get("sqlalchemy.engine"), "Engine", None)
    if kind is None:
        return
    for each in gc.get_objects():
        if issubclass(type(each), kind):  # isinstance would ask what dead proxies stand for
            with suppress(Exception):  # of a server that is gone
                each.dispose()

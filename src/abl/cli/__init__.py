"""The command `abl`: thin commands over the API; every module is imported where it is used."""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from typing import NoReturn

from abl.cli.app import app
from abl.cli.output import import_nothing_from_here, prepare_output
from abl.processes import note_status

# each registers its commands, in the order in which `abl --help` lists them
_FAMILIES = (
    "starting", "sweeping", "watch", "looking", "versions", "review", "store", "listing", "decide",
    "readers", "reader_page", "audit", "init", "data", "data_import",
)  # fmt: skip
_GARBAGE = 100_000  # objects more than were dropped, until the next look; Python's own is 700
for _name in _FAMILIES:
    import_module(f"abl.cli.{_name}")


def main() -> NoReturn:
    """Entry point of the command."""
    # what is imported stays: to look for garbage in it takes a tenth of a short command
    gc.set_threshold(_GARBAGE)
    prepare_output()
    import_nothing_from_here()
    try:
        app()
    except SystemExit as end:
        note_status(end.code)
        raise
    finally:
        # all of it ends with the process; Python would look through it for garbage first, which is
        # a quarter of a short command. MLflow's connections are closed by being found there
        if "mlflow" not in sys.modules:
            gc.freeze()
    note_status(0)
    raise SystemExit(0)

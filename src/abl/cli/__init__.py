"""The command `abl`: thin commands over the API; every module is imported where it is used."""

from __future__ import annotations

from importlib import import_module
from typing import NoReturn

from abl.cli.app import app
from abl.cli.output import write_what_can_be_written

# each registers its commands, in the order in which `abl --help` lists them
_FAMILIES = ("sweeping", "looking", "store", "listing", "decide", "init", "data", "data_import")
for _name in _FAMILIES:
    import_module(f"abl.cli.{_name}")


def main() -> NoReturn:
    """Entry point of the command."""
    write_what_can_be_written()
    app()
    raise SystemExit(0)

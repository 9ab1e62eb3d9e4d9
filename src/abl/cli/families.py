"""Which module has which command: `abl plan` loads no other, which is a twentieth of its time."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module

# each registers its commands, in the order in which `abl --help` lists them
FAMILIES = {
    "starting": ("doctor", "new"),
    "sweeping": ("sweep", "plan"),
    "watch": ("watch",),
    "looking": ("table", "compare", "import", "status", "record", "ui"),
    "versions": ("log", "diff"),
    "review": ("review",),
    "store": ("store",),
    "listing": ("list", "schema"),
    "decide": ("decide",),
    "readers": ("readers",),
    "reader_page": ("readers",),
    "audit": ("audit",),
    "init": ("init",),
    "data": ("data", "splits"),
    "data_import": ("data",),
}


def load_commands(words: Sequence[str] = ()) -> None:
    """Registers the commands that these words of a command line can mean; else all.

    Args:
        words: What stands behind `abl`.
    """
    asked = words[0] if words else ""
    found = [family for family, commands in FAMILIES.items() if asked in commands]
    for family in found or FAMILIES:
        import_module(f"abl.cli.{family}")

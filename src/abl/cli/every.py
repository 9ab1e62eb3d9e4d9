"""The application with all of its commands."""

from abl.cli.app import app
from abl.cli.families import load_commands

load_commands()
__all__ = ["app"]

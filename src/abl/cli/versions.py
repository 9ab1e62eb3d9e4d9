"""`abl log` and `abl diff`: the versions of a sweep's table."""

from __future__ import annotations

from typing import Annotated

import typer

from abl.cli.app import ROOT, RootOpt, app, tells
from abl.cli.output import say

NameArg = Annotated[str, typer.Argument(metavar="SWEEP", help="Name of a sweep that was run.")]
VersionArg = Annotated[str, typer.Argument(help="Number or key, as `abl log` has them.")]


@app.command()
@tells
def log(name: NameArg, mlruns: RootOpt = ROOT) -> None:
    """List the versions of a sweep's table, the newest first, and what changed."""
    from abl.app.version_diff import log_lines
    from abl.record.opening import store_at

    for line in log_lines(store_at(mlruns), name):
        say(line, fit=True)


@app.command()
@tells
def diff(
    name: NameArg,
    old: VersionArg = "",
    new: VersionArg = "",
    mlruns: RootOpt = ROOT,
) -> None:
    """Tell which settings, data, labels and arms differ between two versions of a sweep."""
    from abl.app.version_diff import diff_lines
    from abl.record.opening import store_at

    for line in diff_lines(store_at(mlruns), name, *filter(None, (old, new))):
        say(line, fit=True)

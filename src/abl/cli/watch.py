"""`abl watch`: a run from another terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from abl.cli.app import (
    ROOT,
    DataOpt,
    RootOpt,
    StoreOpt,
    TrustOpt,
    app,
    load_trusted,
    tells,
    terminal_width,
)
from abl.cli.output import say

if TYPE_CHECKING:
    from abl.app.loaded import LoadedSweep


@app.command()
@tells
def watch(
    sweep: Annotated[str, typer.Argument(help="A sweep's name, or its file.")],
    every: Annotated[float, typer.Option(min=0.5, help="Seconds between two looks.")] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="One look.")] = False,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
    store: StoreOpt = None,
    trust: TrustOpt = False,
) -> None:
    """Watch a run from another terminal or machine: what runs, curves, first estimates."""
    from abl.app.watched_run import begun
    from abl.record.opening import store_at

    file, folders = Path(sweep), list(data or ())
    if not file.is_file():
        file, kept = begun(store_at(mlruns, store), sweep)
        folders += [str(folder) for folder in kept if str(folder) not in folders]
    loaded = load_trusted(file, trust=trust, data=folders, root=mlruns, store=store)
    frames = _frames(loaded, once=once)
    if not sys.stdout.isatty() or once:
        for frame in frames:
            say(frame)
            if not once:
                time.sleep(every)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    last = ""
    with Live(console=Console(), auto_refresh=False, vertical_overflow="crop") as shown:
        for last in frames:
            shown.update(Text(last), refresh=True)
            time.sleep(every)


def _frames(loaded: LoadedSweep, *, once: bool) -> Iterator[str]:
    """What is shown at each look, until the run has ended."""
    from abl.api import table
    from abl.app.watched_run import first_estimates, looked_at_run

    told: tuple[frozenset[int], str] | None = None
    while True:
        seen = looked_at_run(loaded)
        if told is None or told[0] != seen.complete:
            outcome, note = first_estimates(loaded, seen.complete)
            shown = table(outcome, width=terminal_width()) if outcome is not None else ""
            told = (seen.complete, f"{shown}\n{note}" if shown else note)
        yield "\n".join([*seen.lines, "", told[1]])
        if once or seen.whole or not seen.running:
            return

"""`abl watch`: a run from another terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import fill
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
from abl.streams import own_stdout

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
    if not own_stdout().isatty() or once:
        for frame in frames:
            say(frame)
            if not once:
                time.sleep(every)
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    with Live(
        console=Console(file=own_stdout()), auto_refresh=False, vertical_overflow="crop"
    ) as shown:
        for frame in frames:
            shown.update(Text(frame), refresh=True)
            time.sleep(every)


def _frames(loaded: LoadedSweep, *, once: bool) -> Iterator[str]:
    """What is shown at each look, until the run has ended."""
    from abl.api import table
    from abl.app.watched_run import first_estimates, looked_at_run

    told: tuple[frozenset[int], int, str] | None = None
    while True:
        seen, width = looked_at_run(loaded), terminal_width()
        if told is None or told[:2] != (seen.complete, width):
            outcome, note = first_estimates(loaded, seen.complete)
            # before the table: of a frame that is higher than the terminal the end is not seen
            parts = [fill(note, width), *([table(outcome, width=width)] if outcome else [])]
            told = (seen.complete, width, "\n\n".join(parts))
        yield "\n".join([*(_fitted(line, width) for line in seen.lines), "", told[2]])
        if once or seen.whole or not seen.running:
            return


def _fitted(line: str, width: int) -> str:
    """Prose is wrapped, a line of columns is cut."""
    from abl.app.watched_run import INDENT

    if not line.startswith(INDENT):
        return fill(line, width)
    return line if len(line) <= width else f"{line[: width - 1]}…"

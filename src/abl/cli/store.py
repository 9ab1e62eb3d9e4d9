"""`abl store`: what lies in a store, whether it is whole, and what nobody asks for any more."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from abl.cli.app import ROOT, RootOpt, StoreOpt, WrittenRootOpt, app, tells
from abl.cli.output import say
from abl.errors import StageError

store_app = typer.Typer(help="List, verify or shrink the store.", no_args_is_help=True)
app.add_typer(store_app, name="store")

LsFormat = StrEnum("LsFormat", ["text", "csv"])


@store_app.command()
@tells
def ls(
    format: Annotated[LsFormat, typer.Option(help="How to write it.")] = LsFormat.text,
    mlruns: RootOpt = ROOT,
    store: StoreOpt = None,
) -> None:
    """List what lies in the store by sweep and kind: count, size, when made and last used."""
    from abl.app.store_listing import listed_store
    from abl.app.storing import opened_store

    say(listed_store(opened_store(mlruns, store), format.value))


@store_app.command()
@tells
def verify(
    sweep: Annotated[str, typer.Option(metavar="NAME", help="Stages of this sweep alone.")] = "",
    mlruns: RootOpt = ROOT,
    store: StoreOpt = None,
) -> None:
    """Read every finished stage whole and hold it against its checksums; 1 if one is wrong."""
    from abl.app.storing import Verified, opened_store, raise_if_wrong, verified, verified_text

    told = Verified()
    for line in verified(opened_store(mlruns, store), sweep, told):
        say(f"abl: {line}", error=True)
    raise_if_wrong(told)
    say(verified_text(told))


@store_app.command()
@tells
def gc(
    keep: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Remove until at most this remains: 5GB, 1.5GiB."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say it, remove nothing.")] = False,
    mlruns: WrittenRootOpt = ROOT,
    store: StoreOpt = None,
) -> None:
    """Remove what no sweep asks for, and with --keep what is needed least."""
    from abl.app.storing import gc_lines, opened_store
    from abl.record.sizes import bytes_of

    most = None if keep is None else bytes_of(keep, "--keep")
    lines, short = gc_lines(opened_store(mlruns, store), most, dry_run=dry_run)
    for line in lines:
        say(line)
    if short:
        raise StageError(short)

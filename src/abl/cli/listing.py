"""Commands that say what may be written: list, schema."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from abl.cli.app import ForceOpt, ModuleOpt, app, tells, write_out
from abl.cli.output import say
from abl.errors import InputError


@app.command(name="list")
@tells
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="networks, heads, fusions, variants, rules, metrics, samplers, kinds, studies "
            "or axes; or network NAME."
        ),
    ],
    name: Annotated[str, typer.Argument(help="A network: where it can be frozen.")] = "",
    timm: Annotated[bool, typer.Option("--timm", help="Networks: timm's too.")] = False,
    module: ModuleOpt = None,
    size: Annotated[int, typer.Option(min=8, max=2048, help="Side of its images.")] = 224,
    channels: Annotated[int, typer.Option(min=1, max=3, help="Of its images.")] = 3,
) -> None:
    """List the names a sweep file may use, or the layers of a network."""
    from abl.app.listing import BOUNDARY_COLUMNS, boundary_rows, listed

    if what == "network":
        if not name:
            raise InputError("which network? As in: abl list network vgg16")
        head, rows = boundary_rows(name, image_size=size, channels=channels, module=module)
        print_boundaries(head, BOUNDARY_COLUMNS, rows)
        return
    if name:
        raise InputError(f"abl list {what} takes no name ('{name}')")
    for each, text in listed(what, timm=timm, module=module):
        say(f"{each:24} {text}".rstrip(), fit=True)


def print_boundaries(head: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A sentence and aligned columns, names to the left."""
    every = [columns, *rows]
    widths = [max(len(row[at]) for row in every) for at in range(len(columns))]
    say(f"{head}\n\n")
    for row in every:
        cells = [
            cell.ljust(width) if at == 1 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        say("  ".join(cells).rstrip())


@app.command()
@tells
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A page instead.")] = False,
    force: ForceOpt = False,
) -> None:
    """Write the JSON Schema of sweep files, for editors."""
    from abl.app.watching import full_reference, full_schema
    from abl.outputs import Output, json_called, refuse_outputs, text_that_begins
    from abl.spec.reference import PAGE_TITLE, SCHEMA_TITLE

    if out is not None:
        suffixes = (".md", ".markdown") if markdown else (".json",)
        is_own = text_that_begins(PAGE_TITLE) if markdown else json_called(SCHEMA_TITLE)
        refuse_outputs([Output("--out", out, suffixes, is_own)], force=force)
    text = full_reference() if markdown else full_schema()
    if out is None:
        say(text)
    else:
        write_out(out, text)

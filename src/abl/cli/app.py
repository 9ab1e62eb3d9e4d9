"""The application, and what its commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from abl.errors import InputError, StageError

app = typer.Typer(
    name="abl",
    help="Honest ablation and hyperparameter sweeps for image classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Check a data set, or make one.", no_args_is_help=True)
app.add_typer(data_app, name="data")

SweepArg = Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")]
DataOpt = Annotated[
    list[Path] | None, typer.Option("--data", help="A folder of data sets; may be repeated.")
]
RootOpt = Annotated[
    Path, typer.Option("--mlruns", envvar="ABL_MLRUNS", help="Folder of the store and the record.")
]
ROOT = Path("mlruns")


def tells(function: Callable[..., Any]) -> Callable[..., Any]:
    """Bad input is told in a line each, with exit code 2; a stage's fault with exit code 1."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except InputError as error:
            for problem in error.problems:
                print(f"abl: {problem}", file=sys.stderr)
            raise typer.Exit(2) from None
        except StageError as error:
            print(f"abl: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(130) from None

    return wrapped


def terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 40)).columns


def print_whole(text: str) -> None:
    print(text, end="" if text.endswith("\n") else "\n")

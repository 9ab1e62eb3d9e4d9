"""The application, and what its commands share."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from abl.cli.option_faults import PlainGroup
from abl.cli.output import say
from abl.cli.termination import INTERRUPTED
from abl.errors import InputError, StageError, address_limit_mb, machine_fault
from abl.streams import keep_own_stdout, own_stdout

app = typer.Typer(
    name="abl",
    cls=PlainGroup,
    help="Honest ablation and hyperparameter sweeps for image classifiers.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
data_app = typer.Typer(help="Check a data set, or make one.", no_args_is_help=True)
app.add_typer(data_app, name="data")

SweepArg = Annotated[Path, typer.Argument(metavar="FILE", help="The sweep file (YAML).")]
DataOpt = Annotated[
    list[str] | None,
    typer.Option("--data", help="A folder of data sets, or s3://bucket/folder; may be repeated."),
]
ROOT = Path("mlruns")


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"abl {version('abl')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit."),
    ] = False,
) -> None:
    pass  # a docstring here would replace the help of the application


def _of_a_file(error: Exception) -> str:
    """What the system says of a file that it does not let be read or written."""
    if not isinstance(error, OSError) or error.strerror is None or not error.filename:
        return ""
    return f"{error.filename}: {error.strerror}"


LEAST_MB = 2_000  # of addresses: below, libraries end in tracebacks, or do not end, as they load


def _check_addresses() -> None:
    limit = address_limit_mb()
    if 0 < limit < LEAST_MB:
        raise InputError(
            f"this process may use {limit:,} MB of addresses (ulimit -v), and its libraries need "
            f"{LEAST_MB:,} MB before anything is read: raise that limit"
        )


def tells(function: Callable[..., Any]) -> Callable[..., Any]:
    """Bad input is told in a line each, with exit code 2; a stage's fault with exit code 1."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            _check_addresses()
            return function(*args, **kwargs)
        except InputError as error:
            for problem in error.problems:
                say(f"abl: {problem}", error=True)
            raise typer.Exit(2) from None
        except StageError as error:
            say(f"abl: {error}", error=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        except typer.Exit:
            raise
        except Exception as error:
            line = machine_fault(error) or _of_a_file(error)
            if not line:
                raise
            say(f"abl: {line}", error=True)
            raise typer.Exit(1) from None

    return wrapped


def _root_option(*, writing: bool) -> Any:
    @tells
    def usable(root: Path) -> Path:
        from abl.record.opening import check_root

        # as the option is read: before anything else is
        check_root(root, writing=writing)
        return root

    return typer.Option(
        "--mlruns",
        envvar="ABL_MLRUNS",
        help="Folder of the store and the record.",
        callback=usable,
    )


RootOpt = Annotated[Path, _root_option(writing=False)]
WrittenRootOpt = Annotated[Path, _root_option(writing=True)]


@tells
def _loaded_module(path: Path | None) -> Path | None:
    if path is not None:
        from abl.nets.user_module import load_module

        keep_own_stdout()
        # as the option is read: names of other options may come from it
        load_module(path)
    return path


ModuleOpt = Annotated[
    Path | None,
    typer.Option(
        "--module",
        help="A Python file of your own, as in `module:`.",
        callback=_loaded_module,
        is_eager=True,
    ),
]
TrustOpt = Annotated[
    bool,
    typer.Option("--trust", help="Run the `module:` of a folder that is not yours; kept."),
]


ForceOpt = Annotated[
    bool,
    typer.Option("--force", help="Write over a file that is there; never one that is read."),
]


def load_trusted(file: Path, *, trust: bool, **options: Any) -> Any:
    """The sweep; whether a `module:` from elsewhere may run is asked where somebody can answer."""
    from abl import api
    from abl.nets.trust import UntrustedError, trust_folder_of

    keep_own_stdout()
    try:
        return api.load(file, **options)
    except UntrustedError as error:
        if not trust and not _says_yes(error):
            raise
        if unkept := trust_folder_of(error.module):
            say(f"abl: warning: {unkept}", error=True)
    return api.load(file, **options)


def _says_yes(error: InputError) -> bool:
    if not _answers():
        return False
    say(f"abl: {error}", error=True)
    return typer.confirm("Run it, and trust this folder from now on?", default=False, err=True)


def _answers() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


StoreOpt = Annotated[
    str | None,
    typer.Option(
        "--store",
        envvar="ABL_STORE",
        help="Object store of the finished stages, such as s3://bucket/folder; default the folder "
        "store/ of --mlruns.",
    ),
]


def terminal_width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 40)).columns


def print_table(text: str, *, colour: bool = False) -> None:
    """Prints a table; one with colours holds the terminal's own control characters."""
    if colour:
        print(text, end="" if text.endswith("\n") else "\n", file=own_stdout())
    else:
        say(text)


def write_out(path: Path, text: str) -> None:
    """Writes the file that `--out` names, which has passed `refuse_outputs`, and says so. Raises
    InputError if it cannot be written.
    """
    from abl.outputs import unwritable_told
    from abl.record.done import write_atomically

    with unwritable_told(f"--out {path}"):
        write_atomically(path, text)
    say_written(path)


def say_written(*paths: Path | None) -> None:
    """Says which files were written, where standard output may be a table for another program."""
    for path in filter(None, paths):
        say(f"written: {path}", error=True)

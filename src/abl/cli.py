"""The command `abl`: thin commands over the API; every module is imported where it is used."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, NoReturn

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


class ExecutorName(StrEnum):
    """Who runs the stages."""

    tune = "tune"
    local = "local"


class TableFormat(StrEnum):
    """How a table is written."""

    text = "text"
    md = "md"
    csv = "csv"
    latex = "latex"
    html = "html"


def _tells(function: Callable[..., Any]) -> Callable[..., Any]:
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


@app.command()
@_tells
def sweep(
    file: SweepArg,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
    executor: Annotated[ExecutorName, typer.Option(help="Ray Tune, or this process.")] = (
        ExecutorName.tune
    ),
    workers: Annotated[int | None, typer.Option(min=1, help="CPUs to use; default all.")] = None,
    address: Annotated[str | None, typer.Option(help="HOST:PORT of a Ray cluster.")] = None,
    record: Annotated[
        str, typer.Option(help="MLflow tracking URI; on for the one in mlruns; off for none.")
    ] = "on",
    smoke: Annotated[bool, typer.Option("--smoke", help="Shrink it: does it run?")] = False,
) -> None:
    """Run a sweep: train what is missing, score every arm, print and record the table."""
    from abl import api
    from abl.watching import watched

    loaded = api.load(file, data=data or (), root=mlruns, smoke=smoke)
    recorded: bool | str = {"on": True, "off": False}.get(record, record)
    with watched(loaded, executor=str(executor), workers=workers) as listener:
        result = api.run(
            loaded,
            executor=executor.value,
            workers=workers,
            address=address,
            record=recorded,
            listener=listener,
        )
    if not result.report.interrupted:
        _print_table(api.table(result, width=_width(), colour=sys.stdout.isatty()))
    for message in result.messages:
        print(message)
    _print_place(result, mlruns)
    _exit_for(result, loaded)


def _print_place(result: Any, mlruns: Path) -> None:
    print(f"\ntables and figures: {_short(result.folder)}")
    if result.address:
        where = "" if mlruns == ROOT else f" --mlruns {mlruns}"
        print(f"in MLflow: abl ui {result.outcome.name}{where}")


def _exit_for(result: Any, loaded: Any) -> None:
    report = result.report
    if report.interrupted:
        print("stopped; the same command goes on from here", file=sys.stderr)
        raise typer.Exit(130)
    using = loaded.plan.arms_using()
    for digest, reason in report.failed.items():
        stage = loaded.plan.stages[digest]
        arms = [loaded.plan.arms[at].title for at in sorted(using[digest])]
        shown = "; ".join(arms[:3]) + (f" and {len(arms) - 3} more" if len(arms) > 3 else "")
        print(f"abl: failed: {stage.label} (arms: {shown}): {reason}", file=sys.stderr)
        if digest in report.traces:
            print(report.traces[digest], file=sys.stderr)
    if report.failed:
        raise typer.Exit(1)


@app.command()
@_tells
def plan(
    file: SweepArg,
    data: DataOpt = None,
    mlruns: RootOpt = ROOT,
    smoke: Annotated[bool, typer.Option("--smoke", help="Shrink it first.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what `abl sweep` would do; execute nothing."""
    from abl import api
    from abl.report.plan_text import plan_text
    from abl.watching import numbers_of

    loaded = api.load(file, data=data or (), root=mlruns, smoke=smoke)
    numbers = numbers_of(loaded)
    if as_json:
        print(json.dumps(numbers, indent=1))
        return
    print(plan_text(loaded.name, numbers, [arm.title for arm in loaded.plan.arms]), end="")


@app.command()
@_tells
def table(
    name: Annotated[str, typer.Argument(help="Name of a sweep that was run.")],
    format: Annotated[TableFormat, typer.Option(help="How to write it.")] = TableFormat.text,
    mlruns: RootOpt = ROOT,
) -> None:
    """Print a sweep's ablation table again, without training."""
    from abl import api

    colour = format is TableFormat.text and sys.stdout.isatty()
    shown = api.table(name, format=format.value, root=mlruns, width=_width(), colour=colour)
    _print_table(shown)


@app.command()
@_tells
def status(mlruns: RootOpt = ROOT) -> None:
    """Show the sweeps that were run here, and the store."""
    from abl.watching import status_text

    print(status_text(mlruns), end="")


@app.command()
@_tells
def record(
    mlruns: RootOpt = ROOT, uri: Annotated[str, typer.Option(help="MLflow URI.")] = ""
) -> None:
    """Write to MLflow what the store holds and MLflow lacks."""
    from abl.session import record_store

    for line in record_store(mlruns.absolute(), uri or None):
        print(line)


@app.command()
@_tells
def ui(
    name: Annotated[str | None, typer.Argument(help="Sweep to open at.")] = None,
    mlruns: RootOpt = ROOT,
    port: Annotated[int | None, typer.Option(help="Default: a free one.")] = None,
) -> None:
    """Open MLflow on the record, at the table of a sweep."""
    import signal

    from abl.record.mlflow_ui import start_ui
    from abl.watching import ui_addresses

    # the server runs in a session of its own: whoever ends this command must end it too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    pages = ui_addresses(mlruns.absolute(), name)
    with start_ui(mlruns.absolute(), port) as running:
        print(f"MLflow: {running.url} (this machine only)")
        for sweep_name, page in pages.items():
            print(f"{sweep_name}: {running.url}{page}")
        print("Ctrl-C stops it", flush=True)
        running.wait()


@app.command(name="list")
@_tells
def list_(
    what: Annotated[str, typer.Argument(help="networks, rules, metrics, studies or axes.")],
    timm: Annotated[bool, typer.Option("--timm", help="Networks: timm's too.")] = False,
) -> None:
    """List the names a sweep file may use."""
    from abl.watching import listed

    for name, text in listed(what, timm=timm):
        print(f"{name:24} {text}".rstrip())


@app.command()
@_tells
def schema(
    out: Annotated[Path | None, typer.Option(help="File to write; default: print.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="A page instead.")] = False,
) -> None:
    """Write the JSON Schema of sweep files, for editors."""
    from abl.record.store import write_atomically
    from abl.watching import full_reference, full_schema

    text = full_reference() if markdown else full_schema()
    if out is None:
        print(text, end="")
    else:
        write_atomically(out, text)


@data_app.command()
@_tells
def check(
    manifest: Annotated[Path, typer.Argument(help="CSV, Parquet, or a folder a class.")],
    classes: Annotated[str, typer.Option(help="Names of classes 0, 1, ...")] = "benign,malignant",
) -> None:
    """Read a manifest and every image of it; say everything that is wrong."""
    from abl.data.checking import check_report

    print(check_report(manifest, tuple(classes.split(","))), end="")


@data_app.command()
@_tells
def phantom(
    out: Annotated[Path, typer.Argument(help="Folder to write; must not exist or be empty.")],
    patients: Annotated[int, typer.Option(min=4)] = 200,
    size: Annotated[int, typer.Option(min=32, max=1024)] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    flip: Annotated[float, typer.Option(min=0, max=0.99)] = 0.0,
) -> None:
    """Write the generated ultrasound set, and print the ceiling that no network can pass."""
    from abl.data.phantom import bayes_ceiling, write_phantom
    from abl.spec.data import Phantom

    settings = Phantom(patients=patients, size=size, seed=seed, flip=flip)
    write_phantom(settings, out)
    print(f"written to {out}")
    for name, value in bayes_ceiling(settings).items():
        print(f"{name:32} {value:.3f}" if isinstance(value, float) else f"{name:32} {value}")


def _width() -> int:
    import shutil

    return shutil.get_terminal_size((120, 40)).columns


def _print_table(text: str) -> None:
    print(text, end="" if text.endswith("\n") else "\n")


def _short(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def main() -> NoReturn:
    """Entry point of the command."""
    app()
    raise SystemExit(0)

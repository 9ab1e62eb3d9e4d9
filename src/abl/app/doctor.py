"""`abl doctor`: whether this machine has what a sweep needs, and what to do where it has not."""

from __future__ import annotations

import platform
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from abl.errors import InputError
from abl.record.mlflow_errors import RecordError
from abl.record.opening import check_root
from abl.record.sqlite_files import check_sqlite_file
from abl.report.environment import environment
from abl.runner.ray_folder import check_room
from abl.runner.ray_network import check_connections

NONE = "none"  # version of what is not installed
EXTRAS = ("medical", "noise", "postgres", "s3", "dashboard")
LEAST_FREE_GB = 5.0
LEAST_MEMORY_GIB = 4.0


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        what: In a word or two.
        found: What is there.
        wrong: What is wrong and what to do; "" if nothing is.
        hint: What is no fault, but could be better; "" if nothing.
    """

    what: str
    found: str
    wrong: str = ""
    hint: str = ""

    @property
    def line(self) -> str:
        """`ok`, `hint` or `WRONG`, and the rest."""
        state = "WRONG" if self.wrong else "hint" if self.hint else "ok"
        said = self.wrong or self.hint
        return f"{state:5}  {self.what:12} {self.found}{f': {said}' if said else ''}"


def findings(root: Path) -> Iterator[Finding]:
    """Looks at one thing after the other; what takes seconds (torch, Ray) is said as it comes.

    Args:
        root: The mlruns folder.
    """
    facts = environment()
    yield Finding("abl", f"{version('abl')} on Python {platform.python_version()}")
    yield from _packages()
    yield from _torch()
    cores, memory = facts["cpu_usable"], facts["memory_gib"]
    little = memory is not None and memory < LEAST_MEMORY_GIB
    yield Finding(
        "machine",
        f"{cores} CPU cores, {memory} GiB of memory",
        hint="a worker takes about 1 GiB: give --workers 1 if it runs out" if little else "",
    )
    yield _looked("mlruns", str(root), lambda: check_root(root, writing=True))
    for name, folder in (("disk", root), ("temporary", Path(tempfile.gettempdir()))):
        yield _free(name, folder)
    yield _looked("Ray", f"version {_version('ray')}", _ray)
    if (root / "mlflow.db").exists():
        database = root / "mlflow.db"
        found = f"version {_version('mlflow')}, {database}"
        yield _looked("MLflow", found, lambda: _mlflow(database))
    else:
        yield Finding("MLflow", f"version {_version('mlflow')}, no record below {root} yet")
    yield _extras()


def _packages() -> Iterator[Finding]:
    """Every package that abl needs, in a version that it takes."""
    wrong = []
    for text in requires("abl") or ():
        need = Requirement(text)
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        have = _version(need.name)
        if have == NONE:
            wrong.append(f"{need.name} is not installed")
        elif not need.specifier.contains(have, prereleases=True):
            wrong.append(f"{need.name} {have} does not fit {need.specifier}")
    mend = f"{'; '.join(wrong)}; pip install --upgrade abl" if wrong else ""
    yield Finding("packages", "as abl needs them" if not wrong else "not all fit", mend)


def _torch() -> Iterator[Finding]:
    try:
        torch = import_module("torch")
        import_module("torchvision")
    except Exception as error:  # of a build that does not fit, whatever it raises
        line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        mend = f"{line}; install torch and torchvision anew, together"
        yield Finding("torch", f"{_version('torch')}, torchvision {_version('torchvision')}", mend)
        return
    found = f"{torch.__version__}, torchvision {_version('torchvision')}"
    yield Finding("torch", found)
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
        yield Finding("GPU", ", ".join(names), hint="sweeps use it by `resources: {gpus: 1}`")
    elif shutil.which("nvidia-smi") is not None:
        cuda = torch.version.cuda or "no CUDA"
        mend = f"torch ({cuda}) does not see it: install the build that fits your driver"
        yield Finding("GPU", "nvidia-smi is there", mend)
    else:
        yield Finding("GPU", "none: trainings run on the CPU")


def _looked(what: str, found: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except InputError as error:
        return Finding(what, found, "; ".join(str(problem) for problem in error.problems))
    return Finding(what, found)


def _ray() -> None:
    check_room()
    check_connections()


def _mlflow(database: Path) -> None:
    """Looks at the file alone: MLflow would bring one of an earlier version up to date."""
    try:
        check_sqlite_file(database)
        address = f"{database.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True)) as opened:
            said = str(opened.execute("PRAGMA quick_check(1)").fetchone()[0])
    except (RecordError, sqlite3.Error) as error:
        said = str(error)
    if said != "ok":
        raise InputError(f"{said}; move it away, and `abl record` writes it again")


def _free(what: str, folder: Path) -> Finding:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free / 1e9
    hint = ""
    if free < LEAST_FREE_GB:
        hint = "`abl store gc --keep 5GB` removes what no sweep asks for"
        if what != "disk":
            hint = "TMPDIR names another folder"
    return Finding(what, f"{free:.0f} GB free at {there}", hint=hint)


def _extras() -> Finding:
    """Optional packages, by the extra that brings them."""
    absent: dict[str, list[str]] = {}
    for text in requires("abl") or ():
        need = Requirement(text)
        marker = need.marker
        if marker is None or marker.evaluate({"extra": ""}) or _version(need.name) != NONE:
            continue
        for extra in EXTRAS:
            if marker.evaluate({"extra": extra}):
                absent.setdefault(extra, []).append(need.name)
    if not absent:
        return Finding("extras", "all installed")
    said = "; ".join(f"{', '.join(names)} (pip install 'abl[{e}]')" for e, names in absent.items())
    return Finding("extras", f"not installed: {said}")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return NONE

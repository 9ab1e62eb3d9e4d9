"""Sweeps that are shipped with the program: found in the package, or in the checkout around it."""

from __future__ import annotations

import re
from pathlib import Path

import abl
from abl.errors import InputError, nearest
from abl.outputs import Output, json_called, refuse_outputs, unwritable_told
from abl.record.done import write_atomically
from abl.spec.reference import SCHEMA_TITLE
from abl.spec.yaml_file import read_with_faults

SCHEMA = "sweep.schema.json"
_SCHEMA_LINE = re.compile(r"(?<=\$schema=)\S+")


def shipped_folder() -> Path:
    """The folder `sweeps/`. Raises InputError if this installation has none."""
    package = Path(abl.__file__).parent
    # a wheel holds it inside the package; an editable installation has the checkout
    for folder in (package / "sweeps", package.parents[1] / "sweeps"):
        if (folder / SCHEMA).is_file():
            return folder
    raise InputError("this installation has no shipped sweeps: install abl again")


def shipped_sweeps() -> dict[str, Path]:
    """Name, as `threshold` or `papers/two_step_thyroid` -> file."""
    folder = shipped_folder()
    found = sorted(folder.rglob("*.yaml"), key=lambda path: (len(path.parts), path))
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}


def shipped_lines() -> list[tuple[str, str]]:
    """(name, title) of every shipped sweep."""
    return [
        (name, str(read_with_faults(path).values.get("title", "")))
        for name, path in shipped_sweeps().items()
    ]


def next_command(written: Path) -> str:
    """What to type first with a copy: with the folder of its images, if it wants one."""
    data = read_with_faults(written).values.get("data")
    wants = isinstance(data, dict) and "phantom" not in data
    return f"abl plan {written}" + (" --data FOLDER" if wants else "")


def _as_beside(text: str, name: str) -> str:
    """The text where its comments name files as they lie in the copy's folder."""
    folder = "/".join(("sweeps", *name.split("/")[:-1]))
    comment = re.compile(rf"(?m)^(#.*?){re.escape(folder)}/(?=[\w-]+\.(?:yaml|csv)\b)")
    while (shorter := comment.sub(r"\1", text)) != text:
        text = shorter
    return text


def write_shipped(name: str, out: Path, *, force: bool = False) -> list[Path]:
    """Copies a shipped sweep, the tables of published values that it names, and the schema.

    Args:
        name: As `shipped_sweeps` has it, with or without `.yaml`.
        out: A folder, made if it is not there; files get the names that they have here.
        force: Write over what is there; never over the shipped files themselves.

    Raises:
        InputError: No such sweep; files that are there already; a folder that cannot be made.
            Nothing is written then.
    """
    known = shipped_sweeps()
    asked = name.removesuffix(".yaml").removeprefix("sweeps/")
    if asked not in known:
        raise InputError(f"no sweep '{name}' is shipped: {nearest(asked, list(known))}")
    source = known[asked]
    text = source.read_text(encoding="utf-8")
    files = {source.name: _SCHEMA_LINE.sub(SCHEMA, _as_beside(text, asked), count=1)}
    for beside in sorted(source.parent.glob("*.csv")):
        if beside.name in text:
            files[beside.name] = beside.read_text(encoding="utf-8")
    instead = "--force writes over it"
    written = [Output("", out / each, instead=instead) for each in files]
    # a schema belongs to the program, not to who edits the sweep
    written.append(Output("", out / SCHEMA, is_own=json_called(SCHEMA_TITLE), instead=instead))
    files[SCHEMA] = (shipped_folder() / SCHEMA).read_text(encoding="utf-8")
    if out.is_dir():
        read = (source.with_name(each) for each in files)
        refuse_outputs(written, [*read, shipped_folder() / SCHEMA], force=force)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "is no folder" if isinstance(error, FileExistsError) else error.strerror
        raise InputError(f"--out {out}: {why}: give a folder that can be written") from None
    with unwritable_told(f"--out {out}"):
        for each, content in files.items():
            write_atomically(out / each, content)
    return [out / each for each in files]

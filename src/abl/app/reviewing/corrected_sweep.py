"""The sweep file that holds a corrected set beside the old one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from abl.data.load import images_of, manifest_of
from abl.errors import InputError
from abl.spec.data import Data
from abl.spec.yaml_file import yaml_text

AXIS = "data.manifest"


@dataclass(frozen=True)
class Paths:
    """Where the sets of a corrected sweep lie, as its file names them.

    Attributes:
        images: Folder that paths in both manifests are relative to.
        before: The manifest that the corrected one is held against.
        root: What --data must be given, None where nothing must be.
    """

    images: str
    before: str
    root: Path | None


def paths_for(data: Data, *, out: Path, base: Path, roots: Sequence[Path], own: bool) -> Paths:
    """How a sweep file in `out` names the images and the old manifest.

    Args:
        own: Whether the manifest that the corrected one is held against is written to `out` too.

    Raises:
        InputError: A name would mean something else there.
    """
    manifest = manifest_of(data, base=base, roots=roots).resolve()
    given = images_of(data, base=base, roots=roots)
    images = given.resolve() if given is not None else manifest
    images = images if images.is_dir() else images.parent
    needed = [images] if own else [images, manifest]
    home = out.resolve()
    if all(each.is_relative_to(home) and each != home for each in needed):
        root, start = None, home
    else:
        start = Path(os.path.commonpath([images, *([] if own else [manifest.parent])]))
        start = start.parent if start == images else start
        root = start
    named = {each: each.relative_to(start).as_posix() for each in needed}
    for path, name in named.items():
        there = home / name
        if root is not None and there.exists() and there.resolve() != path:
            raise InputError(f"--out {out}: holds another '{name}': give an empty folder")
    before = "" if own else named[manifest]
    return Paths(named[images], before, root)


def corrected_values(
    values: Mapping[str, Any], *, name: str, title: str, corrected: str, before: str, images: str
) -> dict[str, Any]:
    """The sweep file's values with both manifests as an axis, compared at equal other axes.

    Args:
        values: As they stand in the sweep file.
        corrected, before: The manifests, as the file names them.
    """
    found = {**values, "name": name, "title": title}
    data = {key: value for key, value in dict(values["data"]).items() if key != "set"}
    found["data"] = {**data, "manifest": before, "images": images}
    found["axes"] = {**(values.get("axes") or {}), AXIS: [before, corrected]}
    base = values.get("base")
    if base is None:
        found["base"] = {AXIS: before}
    else:
        contrast = {"arm": {AXIS: corrected}, "base": {AXIS: before}}
        found["contrasts"] = [*(values.get("contrasts") or ()), contrast]
    return found


def corrected_text(values: Mapping[str, Any], notes: Sequence[str]) -> str:
    """The sweep file, with notes at its top."""
    return "".join(f"# {note}\n" for note in notes) + yaml_text(dict(values))

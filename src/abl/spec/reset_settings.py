"""Settings that an axis of whole blocks takes back to their defaults, without naming them.

A block replaces the block of the file. Who writes `train.optimizer: [{name: adam}, {name: sgd}]`
may think that the learning rate which the file gives above holds for both.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from abl.spec.labels import written_value
from abl.spec.model_faults import model_at
from abl.spec.pointless import READ_IF, Place, at_path, listed_values
from abl.spec.sweep import Sweep


def reset_notes(sweep: Sweep, written: Collection[Place]) -> list[str]:
    """A sentence for each axis of blocks that leave out what the file gives.

    Args:
        written: Places of the file.
    """
    values = sweep.model_dump(by_alias=True)
    given = [(f"axes.{path}", path, axis.listed()) for path, axis in sweep.axes.items()]
    given += [
        (f"arms.{path}", path, tuple(listed_values(block[path])))
        for block in sweep.arms
        for path in block
    ]
    found: dict[str, dict[str, None]] = {}
    for name, path, blocks in given:
        for block in blocks:
            said = found.setdefault(name, {})
            said |= dict.fromkeys(_reset(path, block, values, written))
    return [
        f"{name}: a block of it replaces all of {name.partition('.')[2]}: where it leaves out "
        f"{' or '.join(said)}: write it in each block"
        for name, said in found.items()
        if said
    ]


def _reset(
    path: str, block: Any, values: Mapping[str, Any], written: Collection[Place]
) -> Iterator[str]:
    """What a block does not name, its default, and what the file gives instead."""
    model = model_at(Sweep, tuple(path.split(".")))
    if not isinstance(block, Mapping) or model is None:
        return
    try:
        meant = model.model_validate(block).model_dump(by_alias=True)
    except ValidationError:
        return  # told as what it is
    above = path.split(".")
    for place in written:
        inner = [str(part) for part in place[len(above) :]]
        if list(place[: len(above)]) != above or not inner:
            continue
        setting = ".".join(inner)
        mine, files = at_path(meant, setting), at_path(values, f"{path}.{setting}")
        if isinstance(files, Mapping) or _names(block, inner) or mine == files:
            continue
        needed = READ_IF.get(f"{path}.{setting}", ())
        own = [each for each in needed if each.decisive.startswith(f"{path}.")]
        if all(each.holds(at_path(meant, each.decisive[len(path) + 1 :])) for each in own):
            yield f"{setting}, that is {written_value(mine)} and not {written_value(files)}"


def _names(block: Any, inner: list[str]) -> bool:
    for part in inner:
        if not isinstance(block, Mapping) or part not in block:
            return False
        block = block[part]
    return True

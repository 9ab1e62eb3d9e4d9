"""One setting that an arm is given twice: by a study's own axis, and by the setting's path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abl.errors import Problem
from abl.spec.read import SweepFile
from abl.studies.contract import StudyAxis

# axes whose values are words for settings
_WORDS: Mapping[str, tuple[str, ...]] = {
    "weights": ("train.weights",),
    "mode": ("train.fusion", "data.modality"),
}


def set_twice(file: SweepFile, axes: Sequence[StudyAxis]) -> list[Problem]:
    """Axes of which the later would decide alone, and arms be called after the other."""
    sweep, found = file.sweep, dict[Problem, None]()
    for at, block in enumerate(sweep.arms or ({},)):
        for axis in axes:
            settings = {axis.setting, *_WORDS.get(axis.name, ())} - {axis.name, ""}
            for setting in sorted(settings):
                given = [*sweep.axes, *block]
                if axis.name not in given or setting not in given:
                    continue
                in_block = setting in block or axis.name in block
                place = ("arms", at) if in_block else ("axes", setting)
                text = f"{axis.name} and {setting} both set {setting}: leave one out"
                found[file.problem(f"{place[0]}: {text}", *place)] = None
    return list(found)

"""One setting that an arm is given twice: by a study's own axis and by the setting's path, or by a
whole block and by a setting in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import permutations

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
        given = list(dict.fromkeys([*sweep.axes, *block]))
        for one, other, text in [*_by_two_names(given, axes), *_block_and_part(given, axes)]:
            in_block = one in block or other in block
            place = ("arms", at) if in_block else ("axes", other)
            found[file.problem(f"{place[0]}: {text}", *place)] = None
    return list(found)


def _by_two_names(
    given: Sequence[str], axes: Sequence[StudyAxis]
) -> Iterator[tuple[str, str, str]]:
    """A study's axis, the setting that it sets and that is named too, and what is wrong."""
    for axis in axes:
        settings = {axis.setting, *_WORDS.get(axis.name, ())} - {axis.name, ""}
        for setting in sorted(settings):
            if axis.name in given and setting in given:
                yield (
                    axis.name,
                    setting,
                    f"{axis.name} and {setting} both set {setting}: leave one out",
                )


def _block_and_part(
    given: Sequence[str], axes: Sequence[StudyAxis]
) -> Iterator[tuple[str, str, str]]:
    """An axis of whole blocks, one of a setting in these, and what is wrong."""
    settings = {axis.name: axis.setting for axis in axes if axis.setting}
    for whole, part in permutations(given, 2):
        path, within = settings.get(whole, whole), settings.get(part, part)
        if within.startswith(f"{path}."):
            inner = within.removeprefix(f"{path}.")
            text = (
                f"{whole} and {part} both set {within}: leave {part} out, and give each block of "
                f"{whole} its {inner}"
            )
            yield whole, part, text

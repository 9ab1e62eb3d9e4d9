"""How a first sweep is run: folds, seeds, what decides; and what it can show."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from abl.app.init.found import FoundImage, FoundSet
from abl.app.init.looked import Sizes
from abl.app.init.machine import Machine, Panel, chosen_panel
from abl.data.splits.groups import united
from abl.errors import InputError, Problem
from abl.report.labels import counted

SEEDS = (0, 1, 2)  # with one alone no verdict is about recipes
FOLDS = 5
FEWEST = 3  # units of a class: one each to train, to choose and to test on


@dataclass(frozen=True)
class FirstDesign:
    """What the sweep file says beside the data.

    Attributes:
        panel: Networks, image size, folds.
        by_column: Whether the folders' own split is used, not folds.
        seeds: Of each split.
        batch_size: Images a step.
        grey: Whether images have one channel.
        units: What is divided, in a word: patient, group or image.
        of_class: Class -> how many of these there are.
        said: Sentences on the design.
    """

    panel: Panel
    by_column: bool
    seeds: tuple[int, ...]
    batch_size: int
    grey: bool
    units: str
    of_class: dict[str, int]
    said: tuple[str, ...]


def designed(
    found: FoundSet,
    sizes: Sizes,
    machine: Machine,
    *,
    networks: Sequence[str] = (),
    size: int | None = None,
) -> FirstDesign:
    """The design for a set on a machine.

    Raises:
        InputError: Classes with too few patients, groups or images to train, choose and test on.
    """
    unit_of = undivided(found.images)
    of_class = {
        name: len({unit_of[each.image] for each in found.images if each.label == name})
        for name in found.classes
    }
    patients = any(each.patient for each in found.images)
    grouped = any(each.group for each in found.images)
    word = "patient" if patients else "group" if grouped else "image"
    by_column, said = _own_split(found.images, unit_of, found.classes)
    _check_units(found, of_class, word)
    counts = Counter(each.label for each in found.images)
    folds = 1 if by_column else min(FOLDS, *of_class.values())
    panel = chosen_panel(
        machine,
        images=len(counts) * max(counts.values()),
        side=min(sizes.height, sizes.width),
        most_folds=folds,
        seeds=len(SEEDS),
        networks=networks,
        size=size,
    )
    batch = 32 if len(found.images) >= 200 else 16 if len(found.images) >= 80 else 8
    return FirstDesign(
        panel,
        by_column,
        SEEDS,
        batch,
        sizes.is_grey and not panel.pretrained,
        word,
        of_class,
        tuple(said),
    )


def undivided(images: Sequence[FoundImage]) -> dict[str, str]:
    """Image -> the name of what may not be divided: images joined by a patient or a group."""
    names = [each.patient or each.image for each in images]
    together = united(names, [each.group for each in images])
    return {each.image: name for each, name in zip(images, together.tolist(), strict=True)}


def _own_split(
    images: Sequence[FoundImage], unit_of: dict[str, str], classes: Sequence[str]
) -> tuple[bool, list[str]]:
    """Whether the split that folders or table name can be used, and what is said of it."""
    roles = {each.split for each in images} - {""}
    if not roles:
        return False, []
    named = f"the split that is named ({', '.join(sorted(roles))})"
    if not {"train", "test"} <= roles:
        return False, [
            f"{named} has no {'test' if 'train' in roles else 'training'} part: folds are drawn"
        ]
    without = sum(not each.split for each in images)
    if without:
        return False, [
            f"{counted(without, 'image')} of {len(images)} "
            f"{'is' if without == 1 else 'are'} in no part of {named}: folds are drawn"
        ]
    of_unit: dict[str, set[str]] = defaultdict(set)
    for each in images:
        of_unit[unit_of[each.image]].add(each.split)
    across = sum(len(parts) > 1 for parts in of_unit.values())
    if across:
        return False, [
            f"{named} has the same patient, or near-duplicates, on two sides "
            f"{counted(across, 'time')}: folds are drawn; column split keeps it"
        ]
    lacking = [
        f"{name} in {role}"
        for role in sorted(roles)
        for name in classes
        if not any(each.split == role and each.label == name for each in images)
    ]
    if lacking:
        return False, [f"{named} has no image of {', '.join(lacking)}: folds are drawn"]
    return True, [f"{named} is used"]


def _check_units(found: FoundSet, of_class: dict[str, int], word: str) -> None:
    few = {name: count for name, count in of_class.items() if count < FEWEST}
    if few:
        raise InputError(
            [
                Problem(
                    f"class '{name}' has {counted(count, word)}: training, validation and test "
                    "need one each; add images, or name the classes to use with --classes",
                    file=str(found.folder.path),
                )
                for name, count in few.items()
            ]
        )

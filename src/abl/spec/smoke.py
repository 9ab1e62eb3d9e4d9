"""A sweep shrunk to a check that it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from abl.spec.sweep import Sweep

EPOCHS = 2
PATIENTS = 60
POINTS = 4


def smoked(sweep: Sweep, options: Mapping[str, Any]) -> Sweep:
    """The same arms with few epochs, patients, repeats, points and one seed, under another name.

    Args:
        options: What the study needs to run at all on so little.
    """
    values = sweep.model_dump(by_alias=True)
    values["name"] = f"{sweep.name[:73]}-smoke"
    train = values["train"]
    _fewer_epochs(values, "train.attention.segmentation.epochs")
    least = min(_fewer_epochs(values, path) for path in ("train.epochs", "options.epochs"))
    train["last_k"] = min(train["last_k"], least)
    if isinstance(train["weights"], dict):
        train["weights"]["epochs"] = min(train["weights"]["epochs"], EPOCHS)
        source = train["weights"]["pretrain"]
        source["patients"] = min(source["patients"], PATIENTS)
    train["schedule"]["warmup"] = min(train["schedule"]["warmup"], least - 1)
    values["replicates"] = {"repeats": 1, "seeds": [sweep.replicates.seeds[0]]}
    values["splits"]["folds"] = min(values["splits"]["folds"], 2)
    phantom = values["data"]["phantom"]
    if phantom is not None:
        # of fewer patients there may be fewer images
        pool = values["splits"]["pool"]
        values["splits"]["pool"] = None if pool is None else "smallest"
        phantom["patients"] = min(phantom["patients"], PATIENTS)
    for block in values["external"]:
        if block["phantom"] is not None:
            block["phantom"]["patients"] = min(block["phantom"]["patients"], PATIENTS)
    values["options"] |= options
    if values["search"] is not None:
        values["search"]["trials"] = min(values["search"]["trials"], POINTS)
        values["search"]["generation"] = min(values["search"]["generation"], 2)
    values["resamples"] = min(values["resamples"], 1000)
    return Sweep.model_validate(values)


def _fewer_epochs(values: dict[str, Any], path: str) -> int:
    """Puts few epochs wherever a setting is given, and returns the fewest.

    Values that differ still do, so that arms stay what they are: 140 and 200 become 2 and 3.
    """
    *outer, last = path.split(".")
    holder = values
    for name in outer:
        holder = holder[name]
    places = [*((block, path) for block in _blocks(values)), (holder, last)]
    places += [(axis, "values") for at, axis in values["axes"].items() if at == path]
    few: dict[int, int] = {}
    for each in sorted({n for block, key in places for n in _counts(block.get(key))}):
        few[each] = min(each, max([EPOCHS, *(value + 1 for value in few.values())]))
    for block, key in places:
        given = block.get(key)
        if isinstance(given, list | tuple):
            block[key] = [few[each] if _counts(each) else each for each in given]
        elif counts := _counts(given):
            block[key] = few[counts[0]]
    return min(few.values(), default=EPOCHS)


def _blocks(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every block of a sweep that gives settings by their path, but for its axes."""
    contrasts = [each[side] for each in values["contrasts"] for side in ("arm", "base")]
    return [*values["arms"], *values["exclude"], *contrasts, values["base"] or {}]


def _counts(given: Any) -> list[int]:
    found = given if isinstance(given, list | tuple) else [given]
    return [each for each in found if isinstance(each, int) and not isinstance(each, bool)]

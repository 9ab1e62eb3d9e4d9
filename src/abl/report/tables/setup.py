"""What a reader asks of the set-up: data by split, size and time of networks, hyperparameters."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.nets.cost import network_cost
from abl.plan.outcome import Outcome
from abl.record.done import Done
from abl.record.store import Store
from abl.report.labels import one_line
from abl.report.numbers import per_cent_label, size_label, time_label
from abl.report.tables.model import Table, item, number_column, table_from, text_column
from abl.spec.data import Image
from abl.spec.train import Train

_COSTS = {
    "parameters": ("parameters", size_label),
    "trainable": ("trainable", size_label),
    "flops": ("FLOPs an image", size_label),
    "seconds": ("time of a training", time_label),
    "trainings": ("trainings", size_label),
}


def data_table(
    rows: Sequence[Mapping[str, Any]], *, name: str = "data", notes: Sequence[str] = ()
) -> Table:
    """The data by split and centre.

    Args:
        rows: role (train, validation, test), centre ("" if there is none), patients, images or
            another unit, one count a class, and prevalence (fraction).
        notes: Which split this is, for one.
    """
    places = [key for key in ("role", "centre") if any(row.get(key) for row in rows)]
    counts = [
        key
        for key in dict.fromkeys(key for row in rows for key in row)
        if key not in ("role", "centre", "prevalence")
    ]
    columns = [
        *(text_column(key, "split" if key == "role" else key) for key in places),
        *(number_column(key, label=one_line(key), value=item(key, 0, int)) for key in counts),
    ]
    if any("prevalence" in row for row in rows):
        columns.append(number_column("prevalence", per_cent_label, "prevalence, %"))
    title, axis_count = f"{one_line(name)}: data by split", len(places)
    said = map(one_line, notes)
    return table_from(name, title, columns, rows, axis_count=axis_count, notes=said)


def cost_table(rows: Sequence[Mapping[str, Any]], *, name: str = "cost") -> Table:
    """Parameters, operations and time.

    Args:
        rows: network, and what is known of parameters, trainable, flops (of one image), seconds
            (mean of one training) and trainings.
    """
    present = [key for key in _COSTS if any(row.get(key) is not None for row in rows)]
    columns = [text_column("network")]
    for key in present:
        label, write = _COSTS[key]
        columns.append(number_column(key, write, label, item(key, math.nan, float)))
    return table_from(name, f"{one_line(name)}: size and time of networks", columns, rows)


def cost_rows(store: Store, outcome: Outcome) -> list[dict[str, Any]]:
    """What cost_table takes, from the finished trainings that the arms were computed from, those
    of networks that chose others' images among them.
    """
    trainings: dict[str, list[Done]] = {}
    for done in _behind(store, (stage for arm in outcome.arms for stage in arm.stages)):
        if done.stage.get("kind") == "train":
            # "train plain4 True-3 r0 f0 s0" is plain4 True-3 on one replicate
            label = re.sub(r"^train | r\d+ f\d+ s\d+$", "", str(done.stage.get("label", "")))
            trainings.setdefault(label, []).append(done)
    rows = []
    for label, found in trainings.items():
        seconds = [float(done.facts["seconds"]) for done in found if "seconds" in done.facts]
        known = {"network": label, "parameters": found[0].facts.get("parameters")}
        flops = _flops(found[0].stage.get("settings", {}))
        mean = sum(seconds) / len(seconds) if seconds else None
        rows.append({**known, "flops": flops, "seconds": mean, "trainings": len(found)})
    return rows


def _behind(store: Store, digests: Iterable[str]) -> Iterator[Done]:
    """These stages and all that they read, each once, as far as they are finished."""
    ahead, seen = list(dict.fromkeys(digests)), set[str]()
    while ahead:
        seen.update(ahead)
        found = [done for digest in ahead if (done := store.done(digest)) is not None]
        yield from found
        read = (each for done in found for each in done.stage.get("inputs", {}).values())
        ahead = [each for each in dict.fromkeys(read) if each not in seen]


def _flops(settings: Mapping[str, Any]) -> int | None:
    """Of one image forward; None for a network that is not known by name alone."""
    try:
        image = Image.model_validate(settings.get("image", {}))
        name = settings.get("train", {}).get("network", Train().network)
        classes = int(settings.get("classes", 2))
        return network_cost(
            str(name), classes=classes, channels=image.channels, image_size=image.size
        ).forward_flops
    except (InputError, ValidationError):
        return None


def settings_table(
    settings: Mapping[str, Any],
    stated: Mapping[str, str],
    *,
    name: str = "settings",
    written: Mapping[str, Any] | None = None,
    axes: Collection[str] = (),
) -> Table:
    """Hyperparameters, each stated by the source, ours, or a default that nobody wrote.

    Args:
        settings: May be nested; a setting is then named by its path (train.epochs).
        written: Those of them that the file gives a value; None if that is not known.
        axes: Paths of settings that have a value an arm.
        stated: Path -> where the source states it, "" if that is all that is known.

    Raises:
        InputError: A stated setting that is not there.
    """
    flat = _flat(settings)
    unknown = [path for path in stated if path not in flat]
    raise_if_any(
        [Problem(f"stated: no setting '{path}'; {nearest(path, flat)}") for path in unknown]
    )
    own = flat if written is None else _flat(written)
    origins = {path: "ours" if path in own else "default" for path in flat}
    origins |= dict.fromkeys(flat.keys() & set(axes), "ours, by arm")
    for path, where in stated.items():
        origins[path] = "stated by the source" + (f" ({one_line(where)})" if where else "")
    rows = [
        {"setting": path, "value": text, "origin": origins[path]} for path, text in flat.items()
    ]
    columns = [text_column("setting", "hyperparameter"), *map(text_column, ("value", "origin"))]
    return table_from(name, f"{one_line(name)}: settings", columns, rows)


def _flat(settings: Mapping[str, Any], under: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for key, value in settings.items():
        path = f"{under}{key}"
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{path}.")
        else:
            flat[path] = _setting_text(value)
    return flat


def _setting_text(value: Any) -> str:
    if value is None or value in ((), [], {}, ""):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_setting_text(each) for each in value)
    return str(value)

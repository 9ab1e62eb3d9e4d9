"""Names that a sweep file may use, and where a network can be frozen: `abl list`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abl.errors import InputError, nearest
from abl.registry import Entry, Registry

# each is imported when it is asked for: some take a second
_REGISTRIES = {
    "networks": ("abl.nets.registry", "NETWORKS"),
    "heads": ("abl.nets.registry", "HEADS"),
    "fusions": ("abl.nets.registry", "FUSIONS"),
    "variants": ("abl.spec.attention", "VARIANTS"),
    "rules": ("abl.decide.rules", "RULES"),
    "metrics": ("abl.decide.metrics", "METRICS"),
    "samplers": ("abl.search.samplers", "SAMPLERS"),
    "kinds": ("abl.stages.kind", "KINDS"),
    "studies": ("abl.studies.contract", "STUDIES"),
}


def listed(
    what: str, *, timm: bool = False, module: str | Path | None = None
) -> list[tuple[str, str]]:
    """Names and descriptions of one sort of component.

    Args:
        module: A user's own file, whose names are listed too.

    Raises:
        InputError: No such sort, or a file that cannot be loaded.
    """
    from abl.nets.user_module import load_module

    if module is not None:
        load_module(module)
    if what == "axes":
        from abl.studies.contract import studies

        return [
            (axis.name, f"{study.name}: {axis.description}")
            for study in studies().values()
            for axis in study.axes
        ]
    if what not in _REGISTRIES:
        valid = [*_REGISTRIES, "axes", "network NAME"]
        raise InputError(f"cannot list '{what}': {nearest(what, valid)}")
    if what == "studies":
        from abl.studies.contract import studies

        studies()  # imports them
    registry = _registry(what)
    if what == "networks":
        from abl.nets.registry import network_names

        marks = {each.name: _marks(each) for each in registry.entries()}
        return [(name, marks.get(name, "")) for name in network_names(timm=timm)]
    rows = [(e.name, f"{e.description} {_marks(e)}".strip()) for e in registry.entries()]
    if what == "studies":
        return sorted(rows)
    if what == "metrics":
        return [(name, _with_classes(said, registry[name])) for name, said in rows]
    return [("none", "No attention: the base."), *rows] if what == "variants" else rows


def _with_classes(said: str, metric: Any) -> str:
    """A metric's description with what it is for three and more classes."""
    one = f", or {metric.name}@CLASS" if metric.by_class else ""
    return f"{said.rstrip('.')}. K > 2: {metric.several}{one}." if metric.several else said


def _registry(what: str) -> Registry[Any]:
    """The components of a sort; nothing that they need is imported for their names."""
    module, name = _REGISTRIES[what]
    found: Registry[Any] = getattr(importlib.import_module(module), name)
    return found


def _marks(entry: Entry) -> str:
    """A version that is not the first, and the user's own file that a component is from."""
    marks = [f"version {entry.version}"] if entry.version != 1 else []
    marks += [f"from {Path(entry.owner).name}"] if entry.owner else []
    return f"({', '.join(marks)})" if marks else ""


CLASSES = 2  # boundaries are those of a network for any number; its parameters are nearly so
BOUNDARY_COLUMNS = ("n", "up to", "stage", "parameters", "%", "FLOPs", "%")


def boundary_rows(
    network: str,
    *,
    image_size: int = 224,
    channels: int = 3,
    module: Path | None = None,
) -> tuple[str, list[Sequence[str]]]:
    """Every boundary of a network: a sentence, and one row a value of `frozen`.

    Args:
        module: A user's own file, which may hold the network.

    Raises:
        InputError: Unknown network, or one that cannot take such images.
    """
    from abl.nets.boundaries import boundaries_of
    from abl.nets.user_module import load_module

    if module is not None:
        load_module(module)

    found = boundaries_of(network, classes=CLASSES, channels=channels, image_size=image_size)
    most, stages = len(found.places) - 1, found.places[-1].stage
    up_to = f" to 'stage {stages}'" if stages > 1 else ""
    head = (
        f"{network}: frozen 0 to {most} {found.unit}s, or 'stage 1'{up_to}; "
        f"{_short(found.parameters)} parameters, {_short(found.flops)} FLOPs for {channels} x "
        f"{image_size} x {image_size} and {CLASSES} classes."
    )
    head += _attention_words(network, channels, image_size)
    rows: list[Sequence[str]] = [
        (
            str(place.n),
            place.unit or "-",
            str(place.stage),
            _short(place.parameters),
            f"{100 * place.parameters / found.parameters:.1f}",
            _short(place.flops),
            f"{100 * place.flops / max(found.flops, 1):.1f}",
        )
        for place in found.places
    ]
    return head, rows


def _attention_words(network: str, channels: int, image_size: int) -> str:
    """Where attention modules can stand; nothing of a network without feature maps."""
    from abl.nets.attention_points import attention_points_of

    try:
        found = attention_points_of(
            network, classes=CLASSES, channels=channels, image_size=image_size
        )
    except InputError:
        return ""
    levels = ", ".join(f"{point.name} ({point.width})" for point in found.levels)
    return f" Attention points and their channels: {levels}; {len(found.blocks)} blocks."


def _short(count: int) -> str:
    for size, word in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {word}"
    return str(count)

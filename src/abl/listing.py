"""Names that a sweep file may use, and where a network can be frozen."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence

from abl.errors import InputError, nearest


def listed(what: str, *, timm: bool = False) -> list[tuple[str, str]]:
    """Names and descriptions of one sort of component.

    Raises:
        InputError: No such sort.
    """
    from abl.decide.metrics import METRICS
    from abl.decide.rules import RULES
    from abl.studies.base import studies

    if what == "networks":
        from abl.nets.registry import network_names

        return [(name, "") for name in network_names(timm=timm)]
    if what == "rules":
        return [(rule.name, rule.description) for rule in RULES.values()]
    if what == "metrics":
        return [(metric.name, metric.description) for metric in METRICS.values()]
    if what == "studies":
        return [(study.name, study.description) for study in studies().values()]
    if what == "axes":
        return [
            (axis.name, f"{study.name}: {axis.description}")
            for study in studies().values()
            for axis in study.axes
        ]
    if what == "variants":
        from abl.nets.mask_attention import VARIANTS

        base = ("none", "No attention: the base.")
        return [base, *((n, (inspect.getdoc(b) or "").split("\n")[0]) for n, b in VARIANTS.items())]
    if what in ("heads", "fusions"):
        from abl.nets.fusion import FUSIONS
        from abl.nets.heads import HEADS

        kinds: dict[str, Mapping[str, Callable[..., object]]] = {
            "heads": HEADS,
            "fusions": {name: each.build for name, each in FUSIONS.items()},
        }
        return [
            (name, (inspect.getdoc(each) or "").split("\n")[0])
            for name, each in kinds[what].items()
        ]
    valid = ["networks", "heads", "fusions", "variants", "rules", "metrics", "studies", "axes",
             "network NAME"]  # fmt: skip
    raise InputError(f"cannot list '{what}': {nearest(what, valid)}")


BOUNDARY_COLUMNS = ("n", "up to", "stage", "parameters", "%", "FLOPs", "%")


def boundary_rows(
    network: str, *, image_size: int = 224, channels: int = 3, classes: int = 2
) -> tuple[str, list[Sequence[str]]]:
    """Every boundary of a network: a sentence, and one row a value of `frozen`.

    Raises:
        InputError: Unknown network, or one that cannot take such images.
    """
    from abl.nets.boundaries import boundaries_of

    found = boundaries_of(network, classes=classes, channels=channels, image_size=image_size)
    most, stages = len(found.places) - 1, found.places[-1].stage
    up_to = f" to 'stage {stages}'" if stages > 1 else ""
    head = (
        f"{network}: frozen 0 to {most} {found.unit}s, or 'stage 1'{up_to}; "
        f"{_short(found.parameters)} parameters, {_short(found.flops)} FLOPs for {channels} x "
        f"{image_size} x {image_size} and {classes} classes."
    )
    head += _attention_words(network, classes, channels, image_size)
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


def _attention_words(network: str, classes: int, channels: int, image_size: int) -> str:
    """Where attention modules can stand; nothing of a network without feature maps."""
    from abl.nets.attention_points import attention_points_of

    try:
        found = attention_points_of(
            network, classes=classes, channels=channels, image_size=image_size
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

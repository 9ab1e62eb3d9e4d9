"""What `abl table`, `abl status` and `abl list` show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from abl.app.results import arm_predictions, kept_sweep, outcome_named
from abl.data.load import load_dataset
from abl.errors import InputError, nearest
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.registry import Entry, Registry
from abl.report.prediction_frames import metadata_of
from abl.report.tables.ablation import pivot_axes, styled_table
from abl.report.tables.facts import facts_tables
from abl.report.tables.model import Table
from abl.report.tables.more import image_table, replicates_table, subgroup_table
from abl.report.tables.published import read_published
from abl.report.tables.setup import cost_rows, cost_table, settings_table
from abl.studies.contract import STUDIES, studies
from abl.studies.shared.predictions import image_history, predicting

SUBGROUP, IMAGE = "subgroup=", "image="
SHOWN = ("replicates", "settings", "cost", "tests", "choices", "noise", "data", "external",
         "searches", f"{SUBGROUP}COLUMN", f"{IMAGE}ID")  # fmt: skip


def shown_table(
    store: Store,
    name: str,
    *,
    show: str = "",
    pivot: str = "",
    metric: str = "",
    published: Path | None = None,
    decimals: int | None = None,
    fraction: bool | None = None,
    intervals: bool | None = None,
    roots: Sequence[Path] = (),
) -> Table:
    """A table of a sweep; what is not said is as its sweep file asks.

    Args:
        show: One of SHOWN; "" for the ablation table.
        pivot: ROWS,COLUMNS, two axes; "" for arms in rows.
        roots: Folders of data sets (subgroups).

    Raises:
        InputError: No such sweep, axis, metric, table; facts that the table needs are not there.
    """
    outcome = outcome_named(store, name)
    style = outcome.facts.table
    per_cent = style.per_cent if fraction is None else not fraction
    digits = style.decimals if decimals is None else decimals
    if show:
        if pivot or published is not None:
            raise InputError("--show stands alone: leave out --pivot and --published")
        if intervals is not None or (metric and not show.startswith(SUBGROUP)):
            raise InputError("--metric and --intervals belong to other tables than --show's")
        return _other_table(store, outcome, show, metric, per_cent, digits, roots)
    return styled_table(
        outcome,
        per_cent=per_cent,
        decimals=digits,
        intervals=style.intervals if intervals is None else intervals,
        metric=metric,
        pivot=pivot_axes(pivot) if pivot else None,
        published=read_published(published, outcome) if published is not None else None,
    )


def _other_table(
    store: Store,
    outcome: Outcome,
    show: str,
    metric: str,
    per_cent: bool,
    decimals: int | None,
    roots: Sequence[Path],
) -> Table:
    if show == "replicates":
        return replicates_table(outcome, per_cent=per_cent, decimals=decimals)
    if show == "cost":
        return cost_table(cost_rows(store, outcome), name=outcome.name)
    if show == "settings":
        sweep = kept_sweep(store, outcome)[0]
        settings = sweep.model_dump(mode="json", by_alias=True, exclude={"stated"})
        return settings_table(settings, sweep.stated, name=outcome.name)
    if show.startswith(SUBGROUP) and show != SUBGROUP:
        data = kept_sweep(store, outcome)[0].data
        metadata = metadata_of(load_dataset(data, base=Path.cwd(), roots=roots), data.unit)
        return subgroup_table(
            outcome,
            arm_predictions(store, outcome),
            metadata,
            show.removeprefix(SUBGROUP),
            metric,
            per_cent=per_cent,
            decimals=decimals,
        )
    if show.startswith(IMAGE) and show != IMAGE:
        return _image_table(store, outcome, show.removeprefix(IMAGE), decimals)
    known = facts_tables(outcome)
    if show in known:
        return known[show]
    if show in SHOWN:
        raise InputError(f"--show {show}: {outcome.name} keeps nothing of it; run it again")
    raise InputError(f"--show {show}: {nearest(show, SHOWN)}")


def _image_table(store: Store, outcome: Outcome, image: str, decimals: int | None) -> Table:
    digests = predicting(store, dict.fromkeys(d for arm in outcome.arms for d in arm.stages))
    history = image_history(store, digests, image)
    if history.empty:
        raise InputError(
            f"--show {IMAGE}{image}: no network of {outcome.name} has seen an image of that name"
        )
    done = store.known(digests)
    labels = {digest: str(each.stage.get("label", "")) for digest, each in done.items()}
    classes = outcome.facts.classes
    return image_table(history, labels, classes, name=outcome.name, image=image, decimals=decimals)


SORTS = (
    "networks", "heads", "fusions", "variants", "rules", "metrics", "samplers", "kinds", "studies"
)  # fmt: skip


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
        return [
            (axis.name, f"{study.name}: {axis.description}")
            for study in studies().values()
            for axis in study.axes
        ]
    if what not in SORTS:
        valid = [*SORTS, "axes", "network NAME"]
        raise InputError(f"cannot list '{what}': {nearest(what, valid)}")
    registry = _registry(what)
    if what == "networks":
        from abl.nets.registry import network_names

        marks = {each.name: _marks(each) for each in registry.entries()}
        return [(name, marks.get(name, "")) for name in network_names(timm=timm)]
    if what == "studies":
        studies()  # imports them
    rows = [(e.name, f"{e.description} {_marks(e)}".strip()) for e in registry.entries()]
    if what == "studies":
        return sorted(rows)
    return [("none", "No attention: the base."), *rows] if what == "variants" else rows


def _registry(what: str) -> Registry[Any]:
    """The components of a sort; nothing that they need is imported for their names."""
    from abl.decide.metrics import METRICS
    from abl.decide.rules import RULES
    from abl.nets.registry import FUSIONS, HEADS, NETWORKS
    from abl.spec.search import SAMPLERS
    from abl.spec.train import VARIANTS
    from abl.stages.kind import KINDS

    found: tuple[Registry[Any], ...] = (
        NETWORKS, HEADS, FUSIONS, VARIANTS, RULES, METRICS, SAMPLERS, KINDS, STUDIES
    )  # fmt: skip
    return found[SORTS.index(what)]


def _marks(entry: Entry) -> str:
    """A version that is not the first, and the user's own file that a component is from."""
    marks = [f"version {entry.version}"] if entry.version != 1 else []
    marks += [f"from {Path(entry.owner).name}"] if entry.owner else []
    return f"({', '.join(marks)})" if marks else ""


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

"""What `abl table` shows: the ablation table of a sweep, or what else is kept of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from abl.app.results import (
    arm_predictions,
    kept_sweep,
    outcome_named,
    own_frames,
    study_tables,
)
from abl.decide.verdicts import TESTED_APART
from abl.errors import InputError, nearest
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.tables.ablation import pivot_axes, styled_table
from abl.report.tables.model import Table
from abl.report.tables.scored_table import scored_table
from abl.spec.class_metrics import with_position
from abl.studies.contract import Study, study_named

if TYPE_CHECKING:
    from abl.report.tables.published import Published
    from abl.report.tables.stated_tables import StatedTables
    from abl.spec.sweep import Sweep

NONE = "none"
SUBGROUP, IMAGE = "subgroup=", "image="
SHOWN = ("replicates", "settings", "cost", "tests", "choices", "noise", "data", "external",
         "searches", f"{SUBGROUP}COLUMN", f"{IMAGE}ID")  # fmt: skip
# why a sweep that was run may have no such table
_ABSENT = {
    "tests": "compares no arms: give `base` or `contrasts` in the sweep file",
    "choices": "chooses no T*: no arm has a curve over it, a search or a way to choose it",
    "noise": "has no wrong labels to look for: only generated data with flipped labels have",
    "data": "was run by a version that kept nothing of it: run it again",
    "external": "has no external sets: give `external` in the sweep file",
    "searches": "searches no settings: give `search` in the sweep file",
}


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
    spread: bool | None = None,
    intervals: bool | None = None,
    roots: Sequence[Path] = (),
    few: bool = False,
) -> Table:
    """A table of a sweep; what is not said is as its sweep file asks.

    Args:
        show: One of SHOWN; "" for the ablation table.
        pivot: ROWS,COLUMNS, two axes; "" for arms in rows.
        roots: Folders of data sets (subgroups).
        few: Of many arms, or many rows of them, show those that matter, as a terminal does.

    Raises:
        InputError: No such sweep, axis, metric, table; facts that the table needs are not there.
    """
    outcome = outcome_named(store, name)
    style = outcome.facts.table
    per_cent = style.per_cent if fraction is None else not fraction
    digits = style.decimals if decimals is None else decimals
    if show:
        if published is not None and not pivot:
            beside = _table_beside(store, outcome, show, published)
            if beside is not None:
                return beside
        if pivot or published is not None:
            raise InputError("--show stands alone: leave out --pivot and --published")
        shaped = spread is not None or intervals is not None
        if shaped or (metric and not show.startswith(SUBGROUP)):
            raise InputError("--metric, --spread and --intervals are of other tables than --show's")
        other = _other_table(store, outcome, show, metric, per_cent, digits, roots)
        if show.startswith(IMAGE) or not other.name.startswith(f"{outcome.name}-"):
            other = replace(other, name=f"{outcome.name}-{show}")  # the label in LaTeX: one each
        if few:
            from abl.report.tables.few_rows import rows_for_terminal

            other = rows_for_terminal(other, outcome, show)
        return scored_table(other, outcome)
    values = _read(store, outcome, published) if published is not None else None
    table = styled_table(
        outcome,
        per_cent=per_cent,
        decimals=digits,
        spread=style.spread if spread is None else spread,
        intervals=style.intervals if intervals is None else intervals,
        metric=metric,
        pivot=pivot_axes(pivot) if pivot else None,
        published=values,
    )
    if not few or pivot:
        return table
    from abl.report.tables.few_rows import for_terminal

    return for_terminal(table, outcome, {key for key, _ in values.values} if values else ())


def _read(store: Store, outcome: Outcome, published: Path) -> Published:
    from abl.report.tables.published_file import read_published

    return read_published(published, outcome, stated_of(store, outcome))


def _table_beside(store: Store, outcome: Outcome, show: str, published: Path) -> Table | None:
    """Another table than that of arms with published values; None if that is no table of a study.

    Raises:
        InputError: Among others, the table has no place for them.
    """
    from abl.report.tables.external_table import external_outcome, external_table
    from abl.report.tables.published_file import read_published
    from abl.report.tables.stated_rows import with_stated_rows

    known, own = stated_of(store, outcome), own_frames(store, outcome)
    of_study = study_tables(outcome, own)
    if show == "external" and outcome.facts.external:
        shown = external_outcome(outcome)
        return external_table(outcome, read_published(published, shown, known))
    if show not in of_study:
        return None
    if show in known.row_tables:
        return with_stated_rows(of_study[show], published, known.row_tables[show])
    found = study_tables(outcome, own, read_published(published, outcome, known))
    places = [name for name, t in found.items() if t.raw_columns != of_study[name].raw_columns]
    places += [name for name in known.row_tables if name in of_study]
    if show not in places:
        hint = f": --show {' or '.join(places)} has one" if places else ""
        raise InputError(f"--show {show} has no place for published values{hint}")
    return found[show]


def stated_of(store: Store, outcome: Outcome) -> StatedTables:
    """What the outcome's study knows of the tables of its source, and its sweep of its arms."""
    study = study_named(outcome.study)
    if study is None:
        from abl.report.tables.stated_tables import StatedTables

        return StatedTables()
    try:
        sweep = kept_sweep(store, outcome)[0]
    except InputError:
        return study.stated()
    return with_usual_values(study, sweep, outcome.axes)


def with_usual_values(study: Study, sweep: Sweep, axes: Sequence[str]) -> StatedTables:
    """What a study knows of such tables, with the values that arms have where a table says nothing.

    Args:
        axes: That tell the arms of the sweep apart; of the study's others each has one value.
    """
    values = sweep.model_dump(mode="json", by_alias=True)
    usual, fixed = {}, {}
    for axis in study.axes:
        setting: Any = values
        for part in axis.setting.split("."):
            setting = setting.get(part) if isinstance(setting, dict) else None
        value = axis.default if axis.default is not None else setting
        usual[axis.name] = [NONE if value is None else str(value)]
        if axis.name not in axes:
            fixed[axis.name] = "" if value is None else str(value)
    for name in axes:
        if "." in name:  # any setting may be one; arms that do not name it have the file's
            setting = values
            for part in name.split("."):
                setting = setting.get(part) if isinstance(setting, dict) else None
            usual[name] = [NONE if setting is None else str(setting), ""]
    return replace(study.stated(), usual=usual, fixed=fixed)


def _other_table(
    store: Store,
    outcome: Outcome,
    show: str,
    metric: str,
    per_cent: bool,
    decimals: int | None,
    roots: Sequence[Path],
) -> Table:
    # what the ablation table needs is loaded: that of others where they are asked for
    from abl.report.tables.facts import facts_tables
    from abl.report.tables.more import replicates_table
    from abl.report.tables.setup import cost_rows, cost_table, settings_table

    if show == "replicates":
        return replicates_table(outcome, per_cent=per_cent, decimals=decimals)
    if show == "cost":
        return cost_table(cost_rows(store, outcome), name=outcome.name)
    if show == "settings":
        sweep = kept_sweep(store, outcome)[0]
        settings = sweep.model_dump(mode="json", by_alias=True, exclude={"stated"})
        written = sweep.model_dump(
            mode="json", by_alias=True, exclude={"stated"}, exclude_unset=True
        )
        return settings_table(
            settings, sweep.stated, name=outcome.name, written=written, axes=sweep.axes
        )
    if show.startswith(SUBGROUP) and show != SUBGROUP:
        return _subgroup_table(store, outcome, show, metric, per_cent, decimals, roots)
    if show.startswith(IMAGE) and show != IMAGE:
        return _image_table(store, outcome, show.removeprefix(IMAGE), decimals)
    of_study = study_tables(outcome, own_frames(store, outcome))
    known = {**facts_tables(outcome), **of_study}
    if show in known:
        return known[show]
    if show == "tests" and any(TESTED_APART in note for note in outcome.notes):
        why = f"compares no arms: they are {TESTED_APART} their base"
        raise InputError(f"--show {show}: {outcome.name} {why}")
    if show in SHOWN:
        raise InputError(f"--show {show}: {outcome.name} {_ABSENT.get(show, 'keeps none')}")
    study = study_named(outcome.study)
    absent = study.absent_tables if study else {}
    if show in absent:
        raise InputError(f"--show {show}: {outcome.name} {absent[show]}")
    valid = dict.fromkeys((*SHOWN, *of_study, *absent))
    raise InputError(f"--show {show}: {nearest(show, valid, show=len(valid))}")


def _subgroup_table(
    store: Store,
    outcome: Outcome,
    show: str,
    metric: str,
    per_cent: bool,
    decimals: int | None,
    roots: Sequence[Path],
) -> Table:
    from abl.data.load import load_dataset
    from abl.report.prediction_frames import metadata_of
    from abl.report.tables.more import subgroup_table

    data = kept_sweep(store, outcome)[0].data
    metadata = metadata_of(load_dataset(data, base=Path.cwd(), roots=roots), data.unit)
    return subgroup_table(
        outcome,
        arm_predictions(store, outcome),
        metadata,
        show.removeprefix(SUBGROUP),
        with_position(metric, outcome.facts.classes),
        per_cent=per_cent,
        decimals=decimals,
    )


def _image_table(store: Store, outcome: Outcome, image: str, decimals: int | None) -> Table:
    from abl.report.tables.more import image_table
    from abl.studies.shared.predictions import image_history, predicting

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

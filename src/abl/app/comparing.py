"""`abl compare`: two arms of one sweep or of two, found by a few words each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd

from abl.app.results import arm_predictions, outcome_folder, outcome_named
from abl.data.load import load_dataset, manifest_of
from abl.decide.contributions import DRAWS
from abl.decide.replicates import KEYS
from abl.decide.verdicts import A_CONTROL, NOT_OUT_OF_FOLD
from abl.errors import InputError, Problem, raise_if_any
from abl.outputs import Output, refuse_outputs
from abl.plan.outcome import ArmOutcome, Outcome
from abl.record.store import Store
from abl.report.labels import cluster_word, is_metric, one_line, own_label
from abl.report.page.report_facts import sweep_of
from abl.report.pairs.arm_words import arm_named, arm_title
from abl.report.pairs.compare import SUFFIXES, is_comparison, render_comparison
from abl.report.pairs.compare_pair import PairComparison, compared
from abl.report.prediction_frames import (
    arm_tests,
    one_class_replicates,
    one_class_words,
    probability_columns,
    thumbnails_of,
)
from abl.spec.data import Data
from abl.spec.sweep import Sweep


def comparison_text(
    store: Store,
    first: str,
    second: str,
    *,
    format: str = "text",
    metric: str = "",
    roots: Sequence[Path] = (),
    width: int = 120,
    colour: bool = False,
) -> str:
    """The comparison of two arms, as `compare`, in text, md, html (with pictures) or csv.

    Args:
        roots: Folders of data sets, for pictures; without the data the page has none, and says so.

    Raises:
        InputError: As `compare`; unknown format.
    """
    pair = compare(store, first, second, metric=metric)
    outcome = outcome_named(store, sweep_name(first))
    sweep = _sweep_file(store, outcome)
    picture = None
    if format == "html" and sweep is not None:
        try:
            dataset = load_dataset(_with_pairs(sweep, outcome), base=Path.cwd(), roots=roots)
            picture = thumbnails_of(dataset, sweep.data.unit)
        except InputError as error:
            pair = replace(pair, notes=(*pair.notes, f"No pictures: {error.problems[0].message}."))
    return render_comparison(pair, format, width=width, colour=colour, picture=picture)


def refuse_comparison(
    store: Store,
    named: Sequence[str],
    out: Path,
    roots: Sequence[Path] = (),
    *,
    force: bool = False,
) -> None:
    """Raises InputError if a comparison must not be written to this file.

    Args:
        named: The arms, as SWEEP:ARM.
        force: Whether a file is written over that is no comparison.
    """
    written = Output("--out", out, SUFFIXES, is_comparison)
    refuse_outputs([written], force=True)  # its name, before a store is read
    read = _manifests(store, map(sweep_name, named), roots) if out.exists() else ()
    refuse_outputs([written], read, force=force)
    if out.resolve().is_relative_to(store.root.resolve()):
        raise InputError(f"--out {out}: is a place of the store: give another name")


def _manifests(store: Store, sweeps: Iterable[str], roots: Sequence[Path]) -> Iterator[Path]:
    """The manifests of sweeps, as far as they are found; images have other suffixes."""
    for name in dict.fromkeys(sweeps):
        sweep = _sweep_file(store, outcome_named(store, name))
        if sweep is not None and sweep.data.phantom is None:
            with suppress(InputError):
                yield manifest_of(sweep.data, base=Path.cwd(), roots=roots)


def _with_pairs(sweep: Sweep, outcome: Outcome) -> Data:
    """The data block, with second images where an arm of the sweep has seen some."""
    settings = outcome.facts.ran.get("settings", ())
    seen = {sweep.data.modality, *(row["changes"].get("data.modality") for row in settings)}
    if not seen - {"first", None}:
        return sweep.data
    return sweep.data.with_changes({"modality": "both", "pairing": "own"})


def compare(store: Store, first: str, second: str, *, metric: str = "") -> PairComparison:
    """Explains the first arm against the second.

    Margin, resamples, unit and classes are those of the first sweep's file, so that a contrast of
    its table has the same difference, interval and P here.

    Args:
        first, second: SWEEP:ARM; the arm in words of its title, as #N (row of the table), or by the
            start of its key.
        metric: That is tested; default: the primary one of the first sweep.

    Raises:
        InputError: An arm that is not found, or is not the only one; one arm twice; no predictions;
            arms that were not scored on the same units, labels and replicates.
    """
    (outcome, arm), (other_outcome, other) = arm_at(store, first), arm_at(store, second)
    if (outcome.key, arm.key) == (other_outcome.key, other.key):
        title = _full_title(outcome, arm)
        raise InputError(f"{title}: is both arms: name two (#N is the row in the table)")
    rows = _rows_of(store, outcome, arm)
    other_rows = _rows_of(store, other_outcome, other)
    titles = [_full_title(outcome, arm), _full_title(other_outcome, other)]
    sweep = _sweep_file(store, outcome)
    unit = sweep.data.unit if sweep is not None else "image"
    refuse_if_unlike(rows, other_rows, titles, unit)
    primary = metric or outcome.primary
    if not metric and not is_metric(primary):
        raise InputError(
            f"the sweep's primary metric '{primary}' is in a file of your own: "
            "give it with --module FILE.py"
        )
    pair = compared(
        rows,
        other_rows,
        titles=(titles[0], titles[1]),
        primary=primary,
        metrics=[name for name in outcome.metrics if name in other_outcome.metrics],
        margin=sweep.margin if sweep is not None and primary == sweep.primary else None,
        unit=unit,
        classes=sweep.data.classes if sweep is not None else (),
        resamples=sweep.resamples // 5 if sweep is not None else DRAWS,
        out_of_fold=not any(
            each.comparison is not None and each.comparison.verdict == NOT_OUT_OF_FOLD
            for each in (arm, other)
        ),
    )
    notes = [
        f"{letter} {one_class_words(count, pair.replicates)}."
        for letter, part in (("A", rows), ("B", other_rows))
        for count in one_class_replicates(part).values()
    ]
    for letter, whole, each in (("A", outcome, arm), ("B", other_outcome, other)):
        if reason := whole.facts.controls.get(each.key):
            notes.append(f"{letter} is a control: {reason}.")
    words = {cluster_word(each) for each in (outcome, other_outcome)}
    pair = replace(pair, cluster=min(words, key=("group", "image", "patient").index))
    if outcome.facts.patients_unknown or other_outcome.facts.patients_unknown:
        alone = " without a group" if "group" in words else ""
        notes.append(f"Patients are unknown: each image{alone} counts as a patient of its own.")
    if arm.key in outcome.facts.controls:
        pair = replace(pair, verdict=A_CONTROL)
    labels = {each.metric: own_label(outcome, each.metric) for each in pair.metrics}
    labels["auc"] = own_label(outcome, "auc")
    return replace(pair, notes=(*pair.notes, *notes), labels=labels)


def arm_at(store: Store, words: str) -> tuple[Outcome, ArmOutcome]:
    """The outcome and arm that SWEEP:ARM means.

    Raises:
        InputError: No such sweep or arm, or several.
    """
    outcome = outcome_named(store, sweep_name(words))
    return outcome, arm_named(outcome, words.partition(":")[2])


def sweep_name(words: str) -> str:
    """The sweep of SWEEP:ARM. Raises InputError if it is not that."""
    name, colon, _ = words.partition(":")
    if not colon or not name.strip():
        raise InputError(f"'{one_line(words)}': write SWEEP:ARM, for instance threshold:original")
    return name.strip()


def refuse_if_unlike(
    rows: pd.DataFrame, other: pd.DataFrame, titles: Sequence[str], unit: str = "image"
) -> None:
    """Raises InputError unless both arms have the same replicates, units, labels and classes.

    Args:
        rows, other: The arms' test predictions: repeat, fold, seed, unit, label, patient, p_0, ....
    """
    faults: list[str] = []
    keys, other_keys = _replicates(rows), _replicates(other)
    apart = len(keys ^ other_keys)
    if apart:
        every = len(keys | other_keys)
        faults.append(f"{apart} of {every} replicates (repeat, fold, seed) are of one of them only")
    units, other_units = set(rows["unit"]), set(other["unit"])
    if units != other_units:
        only, other_only = len(units - other_units), len(other_units - units)
        faults.append(f"the test {unit}s differ: {only} only with A, {other_only} only with B")
    places, other_places = _places(rows), _places(other)
    if units == other_units and not apart and places.keys() != other_places.keys():
        moved = len(places.keys() - other_places.keys())
        faults.append(f"{moved} of {len(places)} tests of {unit}s are in other replicates with B")
    shared = places.keys() & other_places.keys()
    relabelled = {place[-1] for place in shared if places[place] != other_places[place]}
    if relabelled:
        example = min(map(str, relabelled))
        faults.append(f"{len(relabelled)} {unit}s have another label or patient ('{example}')")
    classes, other_classes = len(probability_columns(rows)), len(probability_columns(other))
    if classes != other_classes:
        faults.append(f"A has {classes} classes, B {other_classes}")
    raise_if_any([Problem(f"{titles[0]} and {titles[1]}: {fault}") for fault in faults])


def _replicates(rows: pd.DataFrame) -> set[tuple[int, ...]]:
    return set(rows[KEYS].drop_duplicates().itertuples(index=False, name=None))


def _places(rows: pd.DataFrame) -> dict[tuple[object, ...], tuple[int, str]]:
    """(repeat, fold, seed, unit) -> label and patient."""
    columns = [rows[name].tolist() for name in (*KEYS, "unit")]
    labels = zip(rows["label"].tolist(), rows["patient"].astype(str).tolist(), strict=True)
    return dict(zip(zip(*columns, strict=True), labels, strict=True))


def _rows_of(store: Store, outcome: Outcome, arm: ArmOutcome) -> pd.DataFrame:
    title = _full_title(outcome, arm)
    if arm.failed:
        raise InputError(f"{title} failed: {one_line(arm.failed)}")
    frame = arm_predictions(store, outcome)
    rows = frame if frame.empty else arm_tests(frame, arm.key)
    if rows.empty:
        message = "no predictions are kept: `abl sweep` again writes them, without training"
        raise InputError(f"{title}: {message}")
    return rows


def _sweep_file(store: Store, outcome: Outcome) -> Sweep | None:
    """What the sweep file says; None if it is of another version."""
    path = outcome_folder(store, outcome) / "sweep.yaml"
    return sweep_of(path.read_text(encoding="utf-8"))


def _full_title(outcome: Outcome, arm: ArmOutcome) -> str:
    return f"{outcome.name}: {arm_title(outcome, arm)}"

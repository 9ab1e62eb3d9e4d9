"""`abl import`: an arm trained elsewhere, scored on a sweep's own tests, in its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from abl.app.imported_bases import (
    against_words,
    compared_before,
    is_against,
    needed_for,
    own_base,
)
from abl.app.keeping import draw_outcome, keep_outcome
from abl.app.results import (
    kept_analysis,
    kept_environment,
    kept_sweep,
    outcome_folder,
    outcome_named,
)
from abl.data.dataset import unit_names
from abl.data.load import load_dataset
from abl.decide.replicates import KEYS
from abl.errors import InputError, Problem
from abl.plan.outcome import IMPORTED, ArmOutcome, Outcome
from abl.plan.stage import digest_of
from abl.record.store import Store
from abl.report.collapse import collapsed_arms
from abl.report.labels import is_metric
from abl.report.prediction_frames import (
    arm_tests,
    one_class_found,
    repeated_trainings,
    scored_replicates,
)
from abl.spec.external import internal_data
from abl.spec.sweep import Sweep
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.contrasts import Contender, comparison_rows, family_of, marks
from abl.studies.shared.controls import without_verdicts
from abl.studies.shared.imported_arm import (
    ImportedArm,
    by_unit,
    imported_file,
    keep_imported,
    kept_imported,
    on_tests,
    read_imported,
)
from abl.studies.shared.imported_faults import faults_of_rows
from abl.studies.shared.imported_spelling import keys_spelled, units_spelled
from abl.studies.shared.scoring import scored_cells


def import_arm(
    store: Store,
    sweep_name: str,
    path: Path,
    as_name: str,
    *,
    against: str = "",
    roots: Sequence[Path] = (),
) -> Outcome:
    """Brings a file of predictions into the newest table of a sweep, and keeps it for re-runs.

    Args:
        path: CSV or Parquet: image, label, p_0, ...; repeat and fold, as `abl splits` has them,
            without which the arm has no verdict; optional split, seed.
        as_name: The arm's name; one imported before under this name is replaced.
        against: Words of the arm it is compared with; needed if the sweep has several bases.
        roots: Folders of data sets, where a sweep scores nodules or patients and the file has
            images, which are then averaged.

    Raises:
        InputError: No such sweep; a fault of the file, with row; tests without a prediction.
    """
    analysis, sweep, text = _kept(store, sweep_name)
    _, own = _without_imported(analysis.outcome, analysis.predictions)
    tests = own[own["role"] == "test"] if len(own) else own
    several = [key for key in KEYS if key in tests and tests[key].nunique() > 1]

    def faults_of_others(readable: ImportedArm) -> list[Problem]:
        if sweep.data.unit != "image" or tests.empty:
            return []  # rows of units may be of their images
        readable = _of_data(readable, sweep, tests, roots)
        return faults_of_rows(readable, tests, sweep.data.unit, str(path))

    imported = read_imported(
        Path(path), as_name, against, sweep.data.classes, several, faults_of_others
    )
    imported = _of_data(imported, sweep, tests, roots)
    if len(tests):
        imported = keys_spelled(units_spelled(imported, tests["unit"].astype(str)), tests)
    imported = replace(imported, against=against_words(analysis.outcome, imported))
    others = [arm for arm in imported_arms(store, sweep_name) if arm.name != imported.name]
    if any(is_against(arm, imported.name) for arm in needed_for(imported, others)):
        raise InputError(f"--against {against}: is itself compared with {imported.name}")
    result = _joined(analysis, [*others, imported], sweep)
    keep_imported(_folder(store, sweep_name), imported)
    return _kept_anew(store, result, text)


def _of_data(
    imported: ImportedArm, sweep: Sweep, tests: pd.DataFrame, roots: Sequence[Path]
) -> ImportedArm:
    """The predictions as those of the sweep's units, told which of them are in its data."""
    unit = sweep.data.unit
    try:
        data = internal_data(sweep.data, sweep.external)
        frame = load_dataset(data, base=Path.cwd(), roots=roots).frame
    except InputError:
        # the file may name units itself; if not, it is told what is missing
        return imported
    units = unit_names(frame, unit)
    imported = units_spelled(imported, [*frame["image"].astype(str), *units])
    if unit != "image":
        unit_of = dict(zip(frame["image"], units, strict=True))
        imported = by_unit(imported, unit_of, unit, sweep.data.patient_label)
    own = imported.frame["unit"]
    known = own.isin(units) | own.isin(tests["unit"].astype(str) if len(tests) else ())
    return replace(imported, frame=imported.frame.assign(in_data=known))


def forget_arm(store: Store, sweep_name: str, name: str) -> Outcome:
    """Takes an imported arm out of the table.

    Raises:
        InputError: It was not imported.
    """
    analysis, sweep, text = _kept(store, sweep_name)
    arms = imported_arms(store, sweep_name)
    if name not in {arm.name for arm in arms}:
        known = ", ".join(arm.name for arm in arms) or "none"
        raise InputError(f"'{name}' was not imported into {sweep_name}; imported: {known}")
    kept = [arm for arm in arms if arm.name != name]
    if on := [arm.name for arm in kept if is_against(arm, name)]:
        raise InputError(
            f"'{name}' is what {', '.join(on)} is compared with: forget that first, or import it "
            "again with another --against"
        )
    result = _joined(analysis, kept, sweep)
    (_folder(store, sweep_name) / imported_file(name)).unlink()
    return _kept_anew(store, result, text)


def imported_arms(store: Store, sweep_name: str) -> list[ImportedArm]:
    """The arms that were imported into a sweep, by name."""
    folder = _folder(store, sweep_name)
    return kept_imported(folder) if folder.is_dir() else []


def with_kept_imports(store: Store, analysis: Analysis, sweep: Sweep) -> tuple[Analysis, list[str]]:
    """A fresh analysis with the arms imported earlier; a sentence for each that fits no more."""
    fitting: list[ImportedArm] = []
    said: list[str] = []
    arms = imported_arms(store, sweep.name)
    # those that others are compared with come first
    for arm in sorted(arms, key=lambda each: len(needed_for(each, arms))):
        try:
            _joined(analysis, [*needed_for(arm, fitting), arm], sweep)
            fitting.append(arm)
        except InputError as error:
            said.append(f"imported arm {arm.name} is left out: {error.problems[0]}")
    return (_joined(analysis, fitting, sweep) if fitting else analysis), said


def _kept(store: Store, sweep_name: str) -> tuple[Analysis, Sweep, str]:
    outcome = outcome_named(store, sweep_name)
    return kept_analysis(store, outcome), *kept_sweep(store, outcome)


def _kept_anew(store: Store, analysis: Analysis, text: str) -> Outcome:
    before = outcome_folder(store, outcome_named(store, analysis.outcome.name))
    folder = keep_outcome(store, analysis, text, kept_environment(before), ran=False)
    draw_outcome(folder, analysis, text)
    return analysis.outcome


def _folder(store: Store, sweep_name: str) -> Path:
    return store.sweep_folder(sweep_name) / "imported"


def _joined(analysis: Analysis, arms: Sequence[ImportedArm], sweep: Sweep) -> Analysis:
    """The analysis with these arms as the last rows, by name, in place of earlier ones.

    Every comparison is corrected anew, as the family has grown; best arm and ties are marked anew.

    Args:
        sweep: Gives margin, resamples and what is scored.

    Raises:
        InputError: An arm that does not fit, or whose base is not clear.
    """
    outcome, predictions = _without_imported(analysis.outcome, analysis.predictions)
    frames = [_plain_words(predictions)]
    own = [
        Contender(title) if predictions.empty else _contender(title, arm_tests(frames[0], arm.key))
        for title, arm in zip(map(outcome.title_of, outcome.arms), outcome.arms, strict=True)
    ]
    titles = {arm.title.casefold() for arm in own}
    for arm in arms:
        if arm.name.casefold() in titles:
            raise InputError(f"--as {arm.name}: {outcome.name} has an arm of its own of that name")
    tested = next((at for at, arm in enumerate(own) if arm.scores), None)
    if arms and tested is None:
        raise InputError(f"{outcome.name} kept no predictions: run `abl sweep` again")
    pairs = compared_before(outcome, own)
    position = {arm.title: at for at, arm in enumerate(own)}
    bases = [
        None if arm.comparison is None else position.get(arm.comparison.base)
        for arm in outcome.arms
    ]
    axes = outcome.axes or ("arm",)
    rows, contenders, notes = list(outcome.arms), list(own), list(outcome.notes)
    arms = sorted(arms, key=lambda each: each.name)
    imported_at = {arm.name.casefold(): len(own) + at for at, arm in enumerate(arms)}
    for arm in arms:
        base = imported_at.get(arm.against.casefold()) if arm.against else None
        if base is None:
            base = own_base(outcome, arm.against, pairs, position)
        like_arm = base if base is not None and base < len(own) else tested or 0
        like = arm_tests(frames[0], outcome.arms[like_arm].key)
        key = digest_of([IMPORTED, outcome.name, arm.name, arm.sha256])
        part = on_tests(arm, like, sweep.data.unit).assign(arm=key, role="test", sent=False)
        pairs += [] if base is None else [(len(rows), base)]
        bases.append(base)
        params = {axis: arm.name if at == 0 else "" for at, axis in enumerate(axes)}
        row = ArmOutcome(key, params, {}, pd.DataFrame())
        fair = arm.is_out_of_fold(part)
        contenders.append(replace(_contender(outcome.title_of(row), part), out_of_fold=fair))
        metrics = [name for name in outcome.metrics if is_metric(name)]
        table, cells = scored_cells(contenders[-1].scores, metrics, sweep.resamples)
        rows.append(replace(row, cells=cells, replicates=table))
        frames.append(part)
        notes.append(arm.note(part))
    controls = [at for at, row in enumerate(rows) if row.key in outcome.facts.controls]
    family = without_verdicts(family_of(sweep, contenders, pairs), controls)
    best, tied = marks(sweep, contenders, controls)
    for at, (row, base) in enumerate(zip(rows, bases, strict=True)):
        compared = row.comparison if base is None else family.get((at, base), row.comparison)
        rows[at] = replace(row, comparison=compared, best=at == best, tied=at in tied)
    whole = pd.concat(frames, ignore_index=True)
    one_class, one_class_of = one_class_found(whole)
    keys = [row.key for row in rows[len(outcome.arms) :]]
    facts = replace(
        outcome.facts,
        tests=comparison_rows(contenders, family, outcome.facts.tests) or outcome.facts.tests,
        one_class=one_class,
        one_class_of=one_class_of,
        trainings=repeated_trainings(whole),
        imported=keys,
        key_without_imported=outcome.key if keys else "",
    )
    key = digest_of([outcome.key, keys]) if keys else outcome.key
    grown = replace(outcome, key=key, axes=axes, arms=tuple(rows), notes=tuple(notes), facts=facts)
    facts = replace(facts, collapsed=collapsed_arms(grown, whole))
    return replace(analysis, outcome=replace(grown, facts=facts), predictions=whole)


def _without_imported(outcome: Outcome, predictions: pd.DataFrame) -> tuple[Outcome, pd.DataFrame]:
    """Both without the arms that were imported; comparisons are still those with them."""
    imported = set(outcome.facts.imported)
    if not imported:
        return outcome, predictions
    gone = {outcome.title_of(arm) for arm in outcome.arms if arm.key in imported}
    plain = replace(
        outcome,
        key=outcome.facts.key_without_imported,
        arms=tuple(arm for arm in outcome.arms if arm.key not in imported),
        notes=tuple(note for note in outcome.notes if not note.startswith(IMPORTED)),
        facts=replace(
            outcome.facts,
            tests=[row for row in outcome.facts.tests if row["arm"] not in gone],
            imported=(),
            key_without_imported="",
        ),
    )
    kept = ~predictions["arm"].astype(str).isin(imported).to_numpy()
    return plain, predictions[kept].reset_index(drop=True)


def _contender(title: str, tests: pd.DataFrame) -> Contender:
    units = (part.astype(str).tolist() for _, part in tests.groupby(KEYS, sort=True)["unit"])
    return Contender.of(title, scored_replicates(tests), units)


def _plain_words(frame: pd.DataFrame) -> pd.DataFrame:
    words = [name for name in ("arm", "role") if name in frame]
    return frame.astype(dict.fromkeys(words, "str"))

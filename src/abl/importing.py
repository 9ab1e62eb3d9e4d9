"""`abl import`: an arm trained elsewhere, scored on a sweep's own tests, in its table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from abl.data.dataset import unit_names
from abl.data.load import load_dataset
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.page.report_facts import sweep_of
from abl.results import (
    arm_predictions,
    draw_outcome,
    keep_outcome,
    kept_pictures,
    kept_searches,
    network_predictions,
    outcome_folder,
    outcome_named,
    search_trials,
)
from abl.spec.sweep import Sweep
from abl.studies.analysis import Analysis
from abl.studies.imported_arm import (
    ImportedArm,
    by_unit,
    imported_file,
    keep_imported,
    kept_imported,
    read_imported,
)
from abl.studies.imported_rows import with_imported


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
        path: CSV or Parquet: image, label, p_0, ...; optional split, repeat, fold, seed.
        as_name: The arm's name; one imported before under this name is replaced.
        against: Words of the arm it is compared with; needed if the sweep has several bases.
        roots: Folders of data sets, where a sweep scores nodules or patients and the file has
            images, which are then averaged.

    Raises:
        InputError: No such sweep; a fault of the file, with row; tests without a prediction.
    """
    analysis, sweep, text = _kept(store, sweep_name)
    imported = read_imported(Path(path), as_name, against, sweep.data.classes)
    if sweep.data.unit != "image":
        imported = _of_units(imported, sweep, roots)
    others = [arm for arm in imported_arms(store, sweep_name) if arm.name != imported.name]
    result = _joined(analysis, [*others, imported], sweep)
    keep_imported(_folder(store, sweep_name), imported)
    draw_outcome(keep_outcome(store, result, text), result, text)
    return result.outcome


def _of_units(imported: ImportedArm, sweep: Sweep, roots: Sequence[Path]) -> ImportedArm:
    try:
        frame = load_dataset(sweep.data, base=Path.cwd(), roots=roots).frame
    except InputError:
        return imported  # the file may name units itself; if not, it is told what is missing
    units = unit_names(frame, sweep.data.unit)
    return by_unit(imported, dict(zip(frame["image"], units, strict=True)), sweep.data.unit)


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
    result = _joined(analysis, [arm for arm in arms if arm.name != name], sweep)
    (_folder(store, sweep_name) / imported_file(name)).unlink()
    draw_outcome(keep_outcome(store, result, text), result, text)
    return result.outcome


def imported_arms(store: Store, sweep_name: str) -> list[ImportedArm]:
    """The arms that were imported into a sweep, by name."""
    return kept_imported(_folder(store, sweep_name))


def with_kept_imports(store: Store, analysis: Analysis, sweep: Sweep) -> tuple[Analysis, list[str]]:
    """A fresh analysis with the arms imported earlier; a sentence for each that fits no more."""
    fitting, said = [], []
    for arm in imported_arms(store, sweep.name):
        try:
            _joined(analysis, [arm], sweep)
            fitting.append(arm)
        except InputError as error:
            said.append(f"imported arm {arm.name} is left out: {error.problems[0]}")
    return (_joined(analysis, fitting, sweep) if fitting else analysis), said


def _joined(analysis: Analysis, arms: Sequence[ImportedArm], sweep: Sweep) -> Analysis:
    outcome, predictions = with_imported(analysis.outcome, analysis.predictions, arms, sweep)
    return replace(analysis, outcome=outcome, predictions=predictions)


def _kept(store: Store, sweep_name: str) -> tuple[Analysis, Sweep, str]:
    outcome = outcome_named(store, sweep_name)
    text = (outcome_folder(store, outcome) / "sweep.yaml").read_text(encoding="utf-8")
    sweep = sweep_of(text)
    if sweep is None:
        raise InputError(f"{sweep_name}: its sweep file is of another version: run it again")
    analysis = Analysis(
        outcome,
        arm_predictions(store, outcome),
        network_predictions(store, outcome),
        search_trials(store, outcome),
        kept_pictures(store, outcome),
        kept_searches(store, outcome),
    )
    return analysis, sweep, text


def _folder(store: Store, sweep_name: str) -> Path:
    return store.sweep_folder(sweep_name) / "imported"

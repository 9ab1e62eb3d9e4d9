"""Settings that are allowed and hardly meant: shares that leave little, a warm-up without end."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from abl.data.checks.idle_settings import names_no_nodules, no_nodules
from abl.data.tables.rows import MOST_NAMED
from abl.data.tables.words import role_named
from abl.report.labels import counted
from abl.spec.labels import written_value
from abl.spec.pointless import CHANGES_NOTHING
from abl.spec.splits import Splits
from abl.spec.sweep import Sweep
from abl.spec.train import Train
from abl.stages.inputs import OpenData, Workspace

SPLIT = "split"  # the column that says what each image is for
LITTLE = 0.2  # of the patients, to train on: the test and validation sets have the others


def odd_notes(sweeps: Iterable[Sweep], workspace: Workspace) -> list[str]:
    """A sentence for each odd setting of the arms, with what to write instead.

    Args:
        sweeps: As each arm sees it, without external centres.
    """
    notes: dict[str, None] = {}
    seen = set()
    for sweep in sweeps:
        key = (sweep.data.model_dump_json(), sweep.splits, sweep.train.schedule, sweep.train.epochs)
        if key in seen:
            continue
        seen.add(key)
        opened = workspace.data(sweep.data)
        found = [_little(sweep.splits, opened), _by_nodule(sweep.splits, opened)]
        found.append(_own_split(sweep.splits, opened))
        found.append(_endless(sweep.train))
        notes |= dict.fromkeys(filter(None, found))
    return list(notes)


def _little(splits: Splits, opened: OpenData) -> str:
    """Of shares that leave nearly nothing to train on."""
    split = opened.splits.get((splits, 0, 0))
    shares = {"test": splits.test, "validation": splits.validation}
    if splits.kind == "column":
        written = opened.dataset.frame[splits.column].astype(str).str.strip().unique()
        if "validation" in map(role_named, written):
            return ""  # then no share is read
    if splits.kind in ("column", "kfold"):
        del shares["test"]
    tested = {"column": 0.0, "kfold": 1 / splits.folds}.get(splits.kind, splits.test)
    if split is None or (1 - tested) * (1 - splits.validation) >= LITTLE:
        return ""
    given = " and ".join(f"{name}: {share:g}" for name, share in shares.items())
    most = max(shares, key=lambda name: shares[name])
    instead = {"test": "test: 0.25", "validation": "validation: 0.2"}[most]
    patients = opened.dataset.frame["patient"]
    left = counted(patients.iloc[split.train].nunique(), "patient")
    verb = "leave" if len(shares) > 1 else "leaves"
    return f"splits: {given} {verb} {left} of {patients.nunique()} to train on: write {instead}"


def _by_nodule(splits: Splits, opened: OpenData) -> str:
    """Of nodules that a manifest does not name."""
    data, dataset = opened.data, opened.dataset
    if splits.by != "nodule" or data.phantom is not None or not names_no_nodules(dataset.frame):
        return ""
    return no_nodules(dataset.name, "by: nodule", "by: patient").rstrip(".")


def _own_split(splits: Splits, opened: OpenData) -> str:
    """Of a manifest's own split that the kind of split does not read."""
    frame = opened.dataset.frame
    if splits.kind == "column" or opened.data.phantom is not None or SPLIT not in frame:
        return ""
    words = list(dict.fromkeys(frame[SPLIT].astype(str).str.strip()))
    if not {"train", "test"} <= {role_named(word) for word in words}:
        return ""  # folds, or words of something else
    shown = ", ".join(words[:MOST_NAMED])
    return (
        f"column {SPLIT} of {opened.dataset.name} ({shown}) is passed over: "
        f"splits.kind: {splits.kind} draws its own test sets: write splits: {{kind: column}} to "
        "take the column's"
    )


def _endless(train: Train) -> str:
    """Of a warm-up that is not over when the training is."""
    warmup = train.schedule.warmup
    if warmup < train.epochs:
        return ""
    most = train.optimizer.lr * train.epochs / (warmup + 1)
    return (
        f"train.schedule.warmup: {warmup} is not over after train.epochs: {train.epochs}: the "
        f"learning rate ends at {most:.3g} and never is {train.optimizer.lr:g}: write fewer "
        "epochs of warm-up"
    )


def idle_mask_notes(opened: Sequence[OpenData]) -> list[str]:
    """A sentence for each setting of masks of a data set whose masks no arm reads."""
    read = {each.dataset.name for each in opened if "masks" in vars(each)}
    notes: dict[str, None] = {}
    for each in opened:
        data, name = each.data, each.dataset.name
        if name in read:
            continue
        given = {
            "mask_value": data.mask_value or None,
            "mask_cut": data.mask_cut,
            "mask_inverted": data.mask_inverted,
        }
        for setting, value in given.items():
            if value is not None:
                said = f"no arm reads masks of {name}: leave it out"
                notes[f"{setting}: {written_value(value)} {CHANGES_NOTHING}: {said}"] = None
    return list(notes)

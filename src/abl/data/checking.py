"""`abl data check`: everything that is wrong with a data set, or what it holds."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pandas as pd

from abl.data.arrays import image_array
from abl.data.duplicates import near_duplicate_pairs
from abl.data.image_checks import check_images
from abl.data.manifest import load_manifest
from abl.data.mask_notes import mask_lines, mask_notes
from abl.data.mask_rule import AS_THEY_ARE, MaskRule
from abl.data.medical.summary import medical_lines
from abl.data.read_masks import masks_read
from abl.data.tables import CLASSES_OPTION, class_name_problems
from abl.data.who_is_who import alike_notes
from abl.data.words import class_numbers, role_named
from abl.errors import InputError, Problem, raise_if_any

MANIFESTS = ("manifest.csv", "manifest.parquet")
FEWEST_PATIENTS = 3  # of a class: one each to train, to choose and to test on


def check_report(manifest: Path, classes: tuple[str, ...], *, rule: MaskRule = AS_THEY_ARE) -> str:
    """What a manifest holds, in lines. Raises InputError with all problems of it and its images.

    Args:
        rule: How masks are read.
    """
    raise_if_any([Problem(each) for each in class_name_problems(classes)])
    _refuse_folder_of_a_manifest(manifest, classes)
    dataset = load_manifest(manifest, classes=classes, named_by=CLASSES_OPTION)
    dataset = replace(dataset, mask_rule=rule)
    problems = check_images(dataset)
    try:
        masks = masks_read(dataset)
    except InputError as error:  # what cannot be read is told by both
        problems = list(dict.fromkeys([*problems, *error.problems]))
    raise_if_any(problems)
    frame = dataset.frame
    counts = frame["label"].value_counts()
    lines = [f"{manifest}: {len(frame)} images of {frame['patient'].nunique()} patients"]
    lines += [f"  {name}: {counts.get(label, 0)} images" for label, name in enumerate(classes)]
    both = int((frame.groupby("patient")["label"].nunique() > 1).sum())
    if both:
        lines.append(f"  {both} patients have images of several classes")
    with tempfile.TemporaryDirectory(prefix="abl-check-") as folder:
        pairs = near_duplicate_pairs(image_array(dataset, Path(folder), longest_side=1024))
    patient, image = frame["patient"].to_numpy(), frame["image"].to_numpy()
    across = pairs[patient[pairs["position_a"]] != patient[pairs["position_b"]]]
    lines.append(f"  near-duplicates: {len(pairs)} pairs, {len(across)} between patients")
    lines += [
        f"    {image[row.position_a]} and {image[row.position_b]} (distance {row.distance})"
        for row in across.head(20).itertuples()
    ]
    lines += [*medical_lines(dataset), *mask_lines(dataset, masks)]
    lines += [f"  {note}" for note in dataset.notes]
    found = [*alike_notes(dataset), *_warnings(frame, classes), *mask_notes(dataset, masks)]
    lines += [f"  warning: {each}" for each in found]
    return "\n".join(lines) + "\n"


def _refuse_folder_of_a_manifest(path: Path, classes: tuple[str, ...]) -> None:
    """Raises InputError for a folder that is no data set but holds one's manifest."""
    if not path.is_dir():
        return
    if class_numbers([each.name for each in path.iterdir() if each.is_dir()], classes):
        return
    for name in MANIFESTS:
        if (path / name).is_file():
            message = f"has no folder for each class; check its manifest: {path / name}"
            raise InputError(Problem(message, file=str(path)))


def _warnings(frame: pd.DataFrame, classes: tuple[str, ...]) -> list[str]:
    """What will stand in the way of a sweep, though it is no fault of the data."""
    found = []
    patients = frame.groupby("label")["patient"].nunique()
    for label, name in enumerate(classes):
        count = int(patients.get(label, 0))
        if count < FEWEST_PATIENTS:
            has = f"class '{name}' has {count} {'patient' if count == 1 else 'patients'}"
            found.append(f"{has}: training, validation and test need one each")
    if "split" in frame:
        written = {text for text in frame["split"].astype(str).str.strip() if text}
        if "test" not in map(role_named, written):
            found.append(
                f"column split names no test part ({', '.join(sorted(written)[:6]) or 'empty'}); "
                f"a sweep with `splits: {{kind: column}}` needs rows of 'test'"
            )
    return found

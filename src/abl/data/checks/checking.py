"""`abl data check`: everything that is wrong with a data set, or what it holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.arrays import image_array
from abl.data.box_formats import FORMATS
from abl.data.checks.content_report import content_lines, content_warnings, second_warnings
from abl.data.checks.image_checks import check_images
from abl.data.checks.second_images import (
    SECOND,
    exchanged_by_name,
    exchanged_words,
    second_file_problems,
    second_files,
)
from abl.data.dataset import Dataset
from abl.data.duplicates.grouping import LONGEST_SIDE, manifest_pairs, pairs_between, second_array
from abl.data.duplicates.near_duplicates import (
    SHOWN,
    contradicting_first,
    contradiction,
    image_words,
)
from abl.data.manifest import load_manifest
from abl.data.masks.masks_read import masks_read
from abl.data.masks.notes import mask_lines, mask_notes
from abl.data.masks.rule import AS_THEY_ARE, MaskRule
from abl.data.medical.summary import medical_lines
from abl.data.splits.groups import kept_together
from abl.data.tables.folder_rows import manifest_within
from abl.data.tables.rows import CLASSES_OPTION, class_name_problems, first_of_each_kind
from abl.data.tables.who_is_who import alike_notes
from abl.data.tables.words import role_named
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.scratch import scratch_folder

NAMED = 5  # images in a warning
FEWEST_PATIENTS = 3  # of a class: one each to train, to choose and to test on


def check_report(
    manifest: Path,
    classes: tuple[str, ...],
    *,
    images: Path | None = None,
    rule: MaskRule = AS_THEY_ARE,
    box_format: str = "pixels",
    bits: int = 0,
    columns: Mapping[str, str] | None = None,
    width: int | None = None,
) -> str:
    """What a manifest holds, in lines. Raises InputError with all problems of it and its images.

    Args:
        images: Folder that the paths of a table start from; None: the table's own.
        rule: How masks are read.
        box_format, bits, columns: As in a data block.
        width: As `content_lines`.
    """
    raise_if_any([Problem(each) for each in class_name_problems(classes)])
    _refuse_folder_of_a_manifest(manifest, classes)
    raise_if_any([*option_problems(box_format, bits), *_not_a_manifest(manifest, images)])
    dataset = load_manifest(
        manifest,
        images=images,
        classes=classes,
        named_by=CLASSES_OPTION,
        box_format=box_format,
        bits=bits,
        columns=columns,
        rule=rule,
    )
    dataset = replace(dataset, mask_rule=rule)
    problems = [*check_images(dataset), *second_file_problems(dataset)]
    try:
        masks = masks_read(dataset)
    except InputError as error:  # what cannot be read is told by both
        problems = list(dict.fromkeys([*problems, *error.problems]))
    raise_if_any(first_of_each_kind(sorted(problems, key=lambda each: each.line or 0)))
    frame = dataset.frame
    counts = frame["label"].value_counts()
    lines = [f"{manifest}: {len(frame)} images of {_patients(dataset)}"]
    lines += [f"  {name}: {counts.get(label, 0)} images" for label, name in enumerate(classes)]
    both = int((frame.groupby("patient")["label"].nunique() > 1).sum())
    if both:
        lines.append(f"  {both} patients have images of several classes")
    with scratch_folder("abl-check-") as folder:
        warnings = [*alike_notes(dataset), *_warnings(frame, classes)]
        warnings += [*_looked_into(dataset, folder, lines, width), *mask_notes(dataset, masks)]
    lines += [*medical_lines(dataset), *mask_lines(dataset, masks)]
    lines += [f"  {note}" for note in dataset.notes]
    lines += [f"  warning: {each}" for each in warnings]
    return "\n".join(lines) + "\n"


def option_problems(box_format: str, bits: int) -> list[Problem]:
    """What is wrong with `--box-format` and `--bits`."""
    problems = []
    if box_format not in FORMATS:
        problems.append(Problem(f"--box-format {box_format}: {nearest(box_format, FORMATS)}"))
    if bits and not 8 < bits <= 16:
        problems.append(Problem(f"--bits {bits}: write 9 to 16, or leave it out"))
    return problems


def _patients(dataset: Dataset) -> str:
    if not dataset.patients_known:
        return "unknown patients"
    count = dataset.frame["patient"].nunique()
    return "1 patient" if count == 1 else f"{count} patients"


def _looked_into(dataset: Dataset, cache: Path, lines: list[str], width: int | None) -> list[str]:
    """Adds to the lines what images hold and which are nearly the same; returns warnings."""
    array = image_array(dataset.without_boxes(), cache, longest_side=LONGEST_SIDE)
    second, has_second = second_files(dataset)
    rows = np.flatnonzero(has_second)
    warnings = content_warnings(dataset, array)
    lines += ["  content:", *content_lines(dataset, array, width=width)]
    if second is not None:
        lines.append(f"  {SECOND}: {len(rows)} of {len(dataset)} images have one")
    pairs = manifest_pairs(dataset, cache, keep_own=True)
    own = pairs["position_a"] == pairs["position_b"]
    if own.any():
        named = dataset.frame["image"].iloc[pairs["position_a"][own]].tolist()
        warnings.append(
            f"{SECOND} is nearly the same as its own image in {len(named)} rows: "
            + ", ".join(named[:NAMED])
            + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
        )
    if len(rows):
        seconds = second_array(dataset, cache)
        warnings += second_warnings(dataset, array, seconds, rows)
    lines += _pair_lines(dataset, pairs[~own], warnings)
    if SECOND in dataset.frame:
        exchanged = exchanged_by_name(dataset.frame)
        if said := exchanged_words(dataset.frame, exchanged, "their names"):
            warnings.append(said)
    return warnings


def _pair_lines(dataset: Dataset, pairs: pd.DataFrame, warnings: list[str]) -> list[str]:
    """Near-duplicates of different patients, and those of one whose labels contradict (no group
    mends these), contradicting labels first; adds warnings.
    """
    across = pairs_between(kept_together(dataset.frame), pairs)
    wrong = pairs[[bool(contradiction(dataset, pair)) for pair in pairs.itertuples()]]
    shown = contradicting_first(dataset, pd.concat([across, wrong]).drop_duplicates())
    told = [contradiction(dataset, pair) for pair in shown.itertuples()]
    of = f"{dataset.clusters}s"
    counted = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    lines = [f"  near-duplicates: {counted}, {len(across)} between {of}"]
    lines += [
        f"    {image_words(dataset, pair, 'a')} and {image_words(dataset, pair, 'b')} "
        f"(distance {pair.distance}){said}"
        for pair, said in zip(shown.head(SHOWN).itertuples(), told, strict=False)
    ]
    if len(shown) > SHOWN:
        lines.append(f"    and {len(shown) - SHOWN:,} more")
    if count := sum(map(bool, told)):
        named = "1 near-duplicate pair" if count == 1 else f"{count} near-duplicate pairs"
        warnings.append(
            f"labels contradict in {named}: the same picture is of two classes; correct a label, "
            "or leave these images out"
        )
    if len(across):
        counted = (
            "1 near-duplicate pair" if len(across) == 1 else f"{len(across)} near-duplicate pairs"
        )
        warnings.append(
            f"{counted} between {of} may fall on two sides of a split: "
            "`abl data group` puts them into groups that stay together"
        )
    return lines


def _not_a_manifest(manifest: Path, images: Path | None) -> list[Problem]:
    """A sweep file in the place of a manifest; a folder of images that is none."""
    if manifest.suffix.lower() in (".yaml", ".yml"):
        message = f"is a sweep file: `abl plan {manifest}` checks it; give its manifest here"
        return [Problem(message, file=str(manifest))]
    if images is not None and not images.is_dir():
        return [Problem(f"--images {images}: there is no such folder")]
    if images is not None and manifest.is_dir():
        return [Problem(f"--images is for tables; {manifest} is a folder of images itself")]
    return []


def _refuse_folder_of_a_manifest(path: Path, classes: tuple[str, ...]) -> None:
    """Raises InputError for a folder that is no data set but holds one's manifest."""
    within = manifest_within(path, classes) if path.is_dir() else None
    if within is not None:
        message = f"has no folder for each class; check its manifest: {within}"
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

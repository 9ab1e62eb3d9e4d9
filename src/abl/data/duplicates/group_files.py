"""`abl data group`: writes a manifest with a column `group`, and a contact sheet of the groups."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageFont, ImageOps

from abl.data.checks.image_checks import check_images
from abl.data.checks.second_images import second_files
from abl.data.dataset import GROUP, Dataset
from abl.data.duplicates.grouping import FoundGroup, found_groups, manifest_pairs
from abl.data.duplicates.near_duplicates import IMAGE, THRESHOLD, image_words
from abl.data.files_of_set import files_in_set
from abl.data.manifest import load_manifest
from abl.data.predictions.prediction_rows import checked_output
from abl.data.tables.folder_rows import folder_rows
from abl.data.tables.rows import CLASSES_OPTION, class_name_problems, read_rows
from abl.errors import InputError, Problem, raise_if_any
from abl.outputs import (
    PICTURES,
    TABLES,
    Output,
    refuse_outputs,
    write_drawing,
)
from abl.scratch import scratch_folder

LISTED = 20  # groups in words
NAMED = 6  # images of a group, and pairs
LARGE = 0.25  # share of the images from which one group is doubted


def write_groups(
    manifest: Path,
    out: Path,
    classes: tuple[str, ...],
    *,
    sheet: Path | None = None,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
) -> str:
    """Writes the manifest with a column `group`; returns what is to be said of the groups.

    Args:
        manifest: CSV, Parquet, or a folder with a folder for each class.
        out: .csv or .parquet in the manifest's folder, to which its paths are relative.
        sheet: PNG file for the contact sheet; None: beside `out`, if there is a group.
        columns: Our name -> the manifest's.
        force: Whether what is there is replaced; never what is read.

    Raises:
        InputError: Faults of the data set, files that cannot be written: nothing is written then.
    """
    raise_if_any([Problem(each) for each in class_name_problems(classes)])
    folder = manifest if manifest.is_dir() else manifest.parent
    pictures = sheet or out.with_name(f"{out.stem}_groups.png")
    _refuse_place(out, folder)
    # a group is written once: neither the table nor the sheet is replaced without a word
    written = [Output("--out", out, TABLES), Output("--sheet", pictures, PICTURES)]
    refuse_outputs(written, [manifest], force=True)  # their names, before images are read
    dataset = load_manifest(manifest, classes=classes, named_by=CLASSES_OPTION, columns=columns)
    raise_if_any(check_images(dataset))
    refuse_outputs(written, files_in_set(dataset, manifest), force=force)
    with scratch_folder("abl-group-") as cache:
        pairs = manifest_pairs(dataset, cache)
    names, groups = found_groups(dataset, pairs)
    rows = folder_rows(manifest, classes)[0] if manifest.is_dir() else read_rows(manifest)
    lines = _told(manifest, dataset, names, groups)
    if groups:
        drawn = write_group_sheet(pictures, dataset, groups)
        lines.append(f"  contact sheet of the first {drawn} images: {pictures}")
    _write(out, rows.frame.assign(**{GROUP: names}))
    lines.append(
        f"  written to {out}: the manifest with column {GROUP}; sweeps keep groups together"
    )
    return "\n".join(lines) + "\n"


def _write(out: Path, table: pd.DataFrame) -> None:
    """Whole, or not at all; texts as the manifest has them."""
    fresh = out.with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        if out.suffix.lower() == ".csv":
            table.to_csv(fresh, index=False, lineterminator="\n")
        else:
            table.to_parquet(fresh, index=False)
        os.replace(fresh, out)
    except OSError as error:
        raise InputError(Problem(f"cannot be written ({error.strerror})", file=str(out))) from None
    finally:
        fresh.unlink(missing_ok=True)


def _refuse_place(out: Path, folder: Path) -> None:
    checked_output(out)
    if folder.is_dir() and out.resolve().parent != folder.resolve():
        raise InputError(
            f"--out {out}: paths of a manifest are relative to its folder: write it into {folder}"
        )


def _told(
    manifest: Path, dataset: Dataset, names: Sequence[str], groups: Sequence[FoundGroup]
) -> list[str]:
    found = sum(len(each.pairs) for each in groups)
    of = "patients" if dataset.patients_known else "images"
    if not groups:
        return [
            f"{manifest}: no near-duplicates between {of} (at most {THRESHOLD} of 256 bits differ)"
        ]
    images = sum(len(each.rows) for each in groups)
    lines = [
        f"{manifest}: {_counted(len(groups))} of {images} of {len(dataset)} images, from {found} "
        f"near-duplicate pairs between {of} (at most {THRESHOLD} of 256 bits differ)"
    ]
    contradict = [each for each in groups if each.contradicts]
    if contradict:
        lines.append(
            f"  labels contradict in {len(contradict)} of them, listed first: look at these "
            "images, and correct a label or leave the images out"
        )
    lines += [line for each in groups[:LISTED] for line in _lines_of(dataset, each)]
    if len(groups) > LISTED:
        lines.append(f"  and {len(groups) - LISTED:,} more groups")
    largest = max(groups, key=lambda each: len(each.rows))
    if len(largest.rows) > max(NAMED, LARGE * len(dataset)):
        lines.append(
            f"  warning: group {largest.name} holds {len(largest.rows)} of {len(dataset)} images: "
            "its ends may differ; look at them before you use it"
        )
    known = {each.name for each in groups}
    kept = sorted({name for name in names if name} - known)
    if kept:
        lines.append(f"  of the manifest's own, {_counted(len(kept))} without near-duplicates kept")
    if not dataset.patients_known:
        lines.append("  patients stay unknown: groups are no patients")
    return lines


def _counted(groups: int) -> str:
    return "1 group" if groups == 1 else f"{groups:,} groups"


def _lines_of(dataset: Dataset, group: FoundGroup) -> list[str]:
    label = dataset.frame["label"].to_numpy()
    classes = ", ".join(
        f"{int((label[list(group.rows)] == each).sum())} {dataset.classes[each]}"
        for each in group.labels
    )
    mark = ": LABELS CONTRADICT" if group.contradicts else ""
    lines = [f"  group {group.name}: {len(group.rows)} images ({classes}){mark}"]
    closest = group.pairs.head(NAMED)
    rows = closest[["position_a", "position_b"]].to_numpy(np.int64)
    for pair, both in zip(closest.itertuples(), rows, strict=True):
        a, b = (
            f"{image_words(dataset, pair, side)} {dataset.classes[int(label[row])]}"
            for side, row in zip("ab", both, strict=True)
        )
        lines.append(f"    {a} and {b}: {pair.distance} bits")
    if len(group.pairs) > NAMED:
        lines.append(f"    and {len(group.pairs) - NAMED:,} more pairs")
    return lines


CELL, CAPTION, LETTERS, MARGIN = 180, 3, 12, 4  # pixels; lines; pixels; pixels
ACROSS, CELLS = 6, 90  # images in a row, and drawn at most
HEAD = 24  # pixels above a group
WHITE, RED, GREY = (255, 255, 255), (255, 120, 100), (170, 170, 170)
LINE = LETTERS + 4


def write_group_sheet(path: Path, dataset: Dataset, groups: Sequence[FoundGroup]) -> int:
    """Draws the images of groups as a PNG, group after group; replaces a file that is there.

    Returns:
        How many images were drawn.
    """
    shown: list[tuple[FoundGroup, list[tuple[int, str]]]] = []
    left = CELLS
    for group in groups:
        sides = group.pairs[["position_a", "which_a"]].to_numpy().tolist()
        sides += group.pairs[["position_b", "which_b"]].to_numpy().tolist()
        images = sorted({(int(row), str(which)) for row, which in sides})[:left]
        if not images:
            break
        shown.append((group, images))
        left -= len(images)
    tall = CELL + CAPTION * LINE + MARGIN
    height = sum(HEAD + -(-len(images) // ACROSS) * tall for _, images in shown)
    sheet = Image.new("RGB", (ACROSS * CELL, height))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    second, _ = second_files(dataset)
    frame, top = dataset.frame, 0
    for group, images in shown:
        said = f"group {group.name}, closest pair {int(group.pairs['distance'].min())} bits"
        said += ": labels contradict" if group.contradicts else ""
        colour = RED if group.contradicts else WHITE
        draw.text((MARGIN, top + MARGIN), said, fill=colour, font=font)
        top += HEAD
        for at, (row, which) in enumerate(images):
            x, y = at % ACROSS * CELL, top + at // ACROSS * tall
            source = dataset.source if which == IMAGE or second is None else second
            sheet.paste(_thumbnail(source.decode(row)), (x, y))
            name = frame["image" if which == IMAGE else "image2"].iloc[row]
            who = f"patient {frame['patient'].iloc[row]}" if dataset.patients_known else ""
            label = dataset.classes[int(frame["label"].iloc[row])]
            for line, text in enumerate((str(name), label, who)):
                place = (x + MARGIN, y + CELL + line * LINE)
                fill = colour if line == 1 else GREY
                draw.text(place, _end_of(text, font), fill=fill, font=font)
        top += -(-len(images) // ACROSS) * tall
    write_drawing(path, sheet)
    return CELLS - left


def _thumbnail(image: np.ndarray) -> Image.Image:
    picture = Image.fromarray(image).convert("RGB")
    return ImageOps.contain(picture, (CELL - 2, CELL - 2))


def _end_of(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of its end as a cell is wide."""
    if font.getlength(text) <= CELL - 2 * MARGIN:
        return text
    start = 1
    while font.getlength(f"...{text[start:]}") > CELL - 2 * MARGIN:
        start += 1
    return f"...{text[start:]}"

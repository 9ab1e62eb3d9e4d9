"""`abl init`: from a folder of images as it comes to `manifest.csv` and `sweep.yaml`."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from abl.app.init.annotated import annotated_kinds, set_in_annotations
from abl.app.init.design import FirstDesign, designed
from abl.app.init.files import MANIFEST, SWEEP, Placed, write_both
from abl.app.init.found import FoundSet, positive_said, set_in_folders, set_in_table
from abl.app.init.label_table import Columns, find_table, label_table
from abl.app.init.looked import looked_through
from abl.app.init.machine import Machine, this_machine
from abl.app.init.patients import with_patients
from abl.app.init.sweep_text import power_said, sweep_text
from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.importing import ImportOptions
from abl.data.annotations.mask_names import masks_beside
from abl.data.manifest import CONTROL
from abl.data.tables.class_folders import folder_layout
from abl.data.tables.folder_rows import TABLE_BESIDE
from abl.errors import InputError, Problem, raise_if_any
from abl.nets.registry import check_network
from abl.report.labels import counted
from abl.report.numbers import time_label
from abl.visible import visible_line

Ask = Callable[[str], str]


@dataclass(frozen=True)
class InitOptions:
    """What a person says of a folder; None and () are left to `abl init`.

    Attributes:
        out: Where the two files go.
        classes: Those to take, from the mildest to the worst.
        table: A table of labels, relative to the folder.
        columns: Its columns.
        patients: unknown, or folder.
        patient_from: A regular expression whose groups are the patient.
        networks, size: Of the sweep.
        force: Whether files that are there are written over.
    """

    out: Path
    classes: tuple[str, ...] = ()
    table: str | None = None
    columns: Columns = field(default=Columns())
    patients: str | None = None
    patient_from: str | None = None
    networks: tuple[str, ...] = ()
    size: int | None = None
    force: bool = False


def init_sweep(
    folder: Path,
    options: InitOptions,
    ask: Ask | None = None,
    machine: Machine | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> str:
    """Writes the manifest and the sweep file of a folder, and says what was taken and chosen.

    Args:
        ask: Asks the person who types; None if nobody does.
        machine: What trains; default this machine.
        say: Told before what may take long.

    Raises:
        InputError: Everything that is wrong, a line each; nothing was written then.
    """
    _check_options(options)
    listing, odd = _listed(folder, options.out)
    place = Placed.of(folder, options.out)
    with ExitStack() as undo:
        found = _found(listing, options, place, ask, undo)
        positive = positive_said(found.classes, options.classes)
        found = found.with_images(found.images, odd, positive)
        report = _rest(found, options, place, ask, machine, say)
        undo.pop_all()
    return report


def _rest(
    found: FoundSet,
    options: InitOptions,
    place: Placed,
    ask: Ask | None,
    machine: Machine | None,
    say: Callable[[str], None],
) -> str:
    """From the images to the two files, and what is said of them."""
    found = with_patients(found, options.patients, options.patient_from, ask)
    say(f"looking at {counted(len(found.images), 'image')}")
    found, sizes = looked_through(found)
    machine = this_machine() if machine is None else machine
    design = designed(found, sizes, machine, networks=options.networks, size=options.size)
    found = found.with_images(found.images, *design.said)
    title = place.folder.resolve().name
    sweep = sweep_text(
        found, design, machine, name=name_for_sweep(title), title=title, data=place.data_lines()
    )
    write_both(found, place, sweep)
    return _report(found, design, machine, place)


def _check_options(options: InitOptions) -> None:
    problems = [
        Problem(f"--networks: {wrong}")
        for wrong in map(check_network, options.networks)
        if wrong is not None
    ]
    networks = options.networks
    problems += [
        Problem(f"--networks: '{name}' is there twice")
        for name in sorted({each for each in networks if networks.count(each) > 1})
    ]
    if options.patients is not None and options.patients not in ("unknown", "folder"):
        problems.append(
            Problem(f"--patients {options.patients}: unknown or folder; --patient-from reads names")
        )
    if options.patients is not None and options.patient_from is not None:
        problems.append(Problem("--patients and --patient-from: give one of them"))
    for name in sorted({each for each in options.classes if options.classes.count(each) > 1}):
        problems.append(Problem(f"--classes: '{name}' is there twice"))
    if len(options.classes) == 1 or not all(map(str.strip, options.classes)):
        problems.append(Problem(f"--classes {','.join(options.classes)}: two names or more"))
    if not options.force:
        problems += [
            Problem("is there already; --force writes it anew, --out FOLDER elsewhere", str(path))
            for path in (options.out / MANIFEST, options.out / SWEEP)
            if os.path.lexists(path)
        ]
    raise_if_any(problems)


def _listed(folder: Path, out: Path) -> tuple[AnnotatedFolder, str]:
    """The files of the folder, without those that abl itself has put there and those with names
    that no manifest can hold; and what is said of these.
    """
    listing = AnnotatedFolder(folder)
    own = os.path.relpath(out.resolve() / MANIFEST, folder.resolve())
    theirs = [name for name in listing.files if name != own and not name.startswith("mlruns/")]
    listing.files = tuple(name for name in theirs if _is_plain(name))
    odd = len(theirs) - len(listing.files)
    if not listing.images:
        said = f"holds no images; {counted(len(theirs), 'other file')}"
        if dicom := next((name for name in listing.files if _is_dicom(folder / name)), None):
            said += f", such as '{dicom}', which is DICOM: let its name end in .dcm"
        raise InputError(Problem(said, file=str(folder)))
    what = "1 file has a name" if odd == 1 else f"{odd} files have names"
    return listing, f"{what} with a control character or not in UTF-8: left out" if odd else ""


def _is_dicom(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            return opened.read(132)[128:] == b"DICM"
    except OSError:
        return False


def _is_plain(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # bytes of a file name that are not UTF-8
        return False
    return not CONTROL.search(name)


def _found(
    listing: AnnotatedFolder,
    options: InitOptions,
    place: Placed,
    ask: Ask | None,
    undo: ExitStack,
) -> FoundSet:
    """The images and their classes: of annotations, folders or a table, in this order."""
    columns = options.columns
    named = options.table is not None or columns != Columns()
    of_table = options.table is not None or columns.image is not None
    kinds = [] if of_table else annotated_kinds(listing)
    if kinds and not place.is_below:
        raise InputError(
            f"--out {place.out}: masks of annotations are written beside the manifest, and images "
            f"must lie below it: give {place.folder.resolve()} or a folder above it"
        )
    if kinds:
        asked = ImportOptions(label=columns.label, patient=columns.patient, force=options.force)
        return set_in_annotations(
            listing, kinds, asked, place.out / MANIFEST, place.before, options.classes, undo
        )
    images = masks_beside(listing.images, classes=options.classes).images
    layout = folder_layout(images, classes=options.classes)
    if not named and len(set(layout.class_of.values())) > 1:
        return set_in_folders(listing, options.classes)
    table, broken = find_table(listing, options.table, set(images))
    passed_over = [f"table passed over: {each}" for each in broken]
    if table is not None:
        read = label_table(listing, table, set(images), columns, ask)
        found = set_in_table(listing, read, options.classes)
        return found.with_images(found.images, *passed_over)
    if (layout.class_of or options.classes) and not named:
        try:
            found = set_in_folders(listing, options.classes)  # which says what is wrong
        except InputError as error:
            raise InputError([*broken, *error.problems]) from None
        return found.with_images(found.images, *passed_over)
    sheets = listing.ending(".xlsx", ".xls", ".ods")
    advice = (
        f"save {sheets[0]} as CSV (UTF-8)"
        if sheets
        else f"put images into a folder for each class, or {TABLE_BESIDE} (columns of other names: "
        "--image, --label)"
    )
    raise InputError(
        [
            *broken,
            Problem(
                f"has neither folders of classes nor a table that names its images: {advice}",
                file=str(listing.path),
            ),
        ]
    )


def name_for_sweep(title: str) -> str:
    """A folder's name as that of a sweep."""
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", title).strip("_.-")
    return name[:80] or "sweep"


def _report(found: FoundSet, design: FirstDesign, machine: Machine, place: Placed) -> str:
    panel = design.panel
    splits = "the split that is named" if design.by_column else f"{panel.folds} folds"
    trainings = len(panel.networks) * len(design.seeds) * (1 if design.by_column else panel.folds)
    starts = "ImageNet weights" if panel.pretrained else "from scratch"
    shown = os.path.relpath(place.out / SWEEP)
    command = [shown] if place.root is None else [shown, "--data", str(place.root)]
    lines = [
        f"{place.folder}: {counted(len(found.images), 'image')}",
        *(f"  {each}" for each in found.said),
        f"  machine: {machine.said}",
        f"  networks: {', '.join(panel.networks)} ({starts}), {panel.size} px, {splits}, "
        f"{counted(len(design.seeds), 'seed')}: {counted(trainings, 'training')}, "
        f"about {time_label(60 * panel.minutes)}",
        *(f"  {each}" for each in power_said(found, design)),
        f"written: {os.path.relpath(place.out / MANIFEST)}, {shown}",
        "next:",
        f"  abl plan {shlex.join(command)}",
        f"  abl sweep {shlex.join(command)}",
    ]
    return "".join(f"{visible_line(line)}\n" for line in lines)

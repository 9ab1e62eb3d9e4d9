"""`abl data import`: a folder of annotated images to a manifest with masks and boxes."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.kinds import kind_of
from abl.data.annotations.labels import LEAVE, labelling_of, patient_source
from abl.data.annotations.places import STORED, UPRIGHT
from abl.data.annotations.report import imported_text, reasons_text
from abl.data.annotations.rows import Account, labelled, rows_of
from abl.data.annotations.writing import ManifestWriter, refuse_to_overwrite
from abl.data.tables.rows import first_of_each_kind
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.outputs import Output, refuse_outputs

NO_PATIENTS = "none"


@dataclass(frozen=True)
class ImportOptions:
    """What a person may say of an import.

    Attributes:
        kind: Name of the format; None: the one there is.
        label: Where the class is from; None: the one thing that tells classes apart.
        classes: `NAME=VALUE,VALUE` each.
        empty: Class of images without a region.
        mixed: Class of images with regions of several classes, or `leave`.
        patient: Where the patient is from, or `none`; None: what the format says.
        exif: stored or upright: of which pixels coordinates are, should that not be plain.
        masks: Name of the folder of masks beside the manifest.
        left: CSV file for everything that was left out.
        force: Whether an earlier import may be written anew.
    """

    kind: str | None = None
    label: str | None = None
    classes: Sequence[str] = field(default_factory=tuple)
    empty: str = ""
    mixed: str = ""
    patient: str | None = None
    exif: str | None = None
    masks: str = "masks"
    left: Path | None = None
    force: bool = False


def import_annotations(path: Path, out: Path, options: ImportOptions) -> str:
    """Writes a manifest of the annotated images of a folder, and their masks; says what it took.

    Raises:
        InputError: Everything that has to be mended or said first. Nothing is written then.
    """
    classes = _classes(options)
    if options.left is not None and options.left.absolute() == out.absolute():
        raise InputError(f"--left {options.left}: is --out too; give another name")
    folder = AnnotatedFolder(path)
    prefix = _way(out, path)
    with _writing_told(out):
        refuse_to_overwrite(out, out.parent / options.masks, options.force)
    kind = kind_of(folder, options.kind)
    read = kind.read(folder)
    _refuse_what_is_read(folder, out, options)
    account = Account(list(read.left))
    if not read.images:
        raise InputError(
            [Problem(f"no annotated image of {kind.title}", str(path)), *_why(account)]
        )
    labelling = labelling_of(
        read.images,
        by=options.label,
        classes=classes,
        empty=options.empty,
        mixed=options.mixed,
    )
    patient_of = (
        None if options.patient == NO_PATIENTS else patient_source(read.images, options.patient)
    )
    names = {name for image in read.images for name in labelling.values(image)}
    if options.mixed not in ("", LEAVE, *names):
        raise InputError(f"--mixed {options.mixed}: {nearest(options.mixed, {*names, LEAVE})}")
    found = labelled(read.images, labelling, account)
    if patient_of is not None:
        _check_patients([(image.image, patient_of(image)) for image, _ in found])
    problems: list[Problem] = []
    images = [image.image for image, _ in found]
    rows = []
    with _writing_told(out), ManifestWriter(out, options.masks, prefix, images) as writer:
        for row in rows_of(
            found, labelling=labelling, patient_of=patient_of, folder=path,
            root=out.absolute().parent, frame=options.exif, account=account, problems=problems,
        ):  # fmt: skip
            writer.add(row)
            rows.append((row.label, row.patient, row.regions, row.place.box is not None))
        raise_if_any(first_of_each_kind(problems))
        if not rows:
            raise InputError([Problem("no image is left", str(path)), *_why(account)])
        if options.left is not None:
            _write_left(options.left, account)
        writer.commit()
    return imported_text(
        kind=kind,
        by=labelling.by,
        rows=rows,
        masks=writer.masks_written,
        account=account,
        notes=read.notes,
        hidden=folder.hidden,
        knows_patients=patient_of is not None,
        out=out,
        left_in=options.left,
    )


@contextmanager
def _writing_told(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"--out {out}: cannot be written ({error.strerror or error})") from None


def _classes(options: ImportOptions) -> dict[str, str]:
    """Value -> class. Raises InputError with everything that is wrong with the options."""
    found: dict[str, str] = {}
    problems = []
    for text in options.classes:
        name, mark, values = text.partition("=")
        named = [value.strip() for value in values.split(",") if value.strip()]
        if not mark or not name.strip() or not named:
            problems.append(f"--class {text}: write NAME=VALUE,VALUE")
        for value in named:
            if found.setdefault(value, name.strip()) != name.strip():
                problems.append(f"--class {text}: '{value}' is in {found[value]} already")
    if options.exif not in (None, STORED, UPRIGHT):
        problems.append(f"--exif {options.exif}: {nearest(str(options.exif), (STORED, UPRIGHT))}")
    if Path(options.masks).name != options.masks or options.masks in ("", ".", ".."):
        problems.append(f"--masks {options.masks}: is no name of a folder beside the manifest")
    if options.left is not None:
        problems += _left_faults(options.left, options.force)
    raise_if_any([Problem(each) for each in problems])
    return found


def _left_faults(left: Path, force: bool) -> list[str]:
    if left.is_dir():
        return [f"--left {left}: is a folder; name a file in it"]
    if not left.absolute().parent.is_dir():
        return [f"--left {left}: no folder {left.parent}"]
    if left.exists() and not force:
        return [f"--left {left}: is there; --force writes it anew"]
    return []


def _refuse_what_is_read(folder: AnnotatedFolder, out: Path, options: ImportOptions) -> None:
    """Raises InputError if a file would be written over whose annotations were read."""
    written = [Output("--out", out)]
    if options.left is not None:
        written.append(Output("--left", options.left, (".csv",)))
    read = (folder.path / name for name in (*folder.taken, *folder.images))
    refuse_outputs(written, read, force=options.force)


def _way(out: Path, folder: Path) -> str:
    """From the manifest's folder to the images', with / at the end; "" if they are one."""
    way = os.path.relpath(folder.resolve(), out.absolute().parent.resolve())
    parts = Path(way).parts
    if ".." in parts:
        inside = folder / out.name
        raise InputError(
            f"--out {out}: images stay where they are, and have to lie below the manifest's "
            f"folder: --out {inside}"
        )
    return "".join(f"{part}/" for part in parts)


def _check_patients(patients: Sequence[tuple[str, str]]) -> None:
    lacking = [image for image, patient in patients if not patient]
    advice = "name another source with --patient, or none with --patient none"
    raise_if_any(
        first_of_each_kind([Problem(f"has no patient; {advice}", each) for each in lacking])
    )


def _why(account: Account) -> list[Problem]:
    return [Problem(line) for line in reasons_text(account.left)]


def _write_left(path: Path, account: Account) -> None:
    counts: Mapping[str, int] = Counter(each.why for each in account.left)
    ordered = sorted(account.left, key=lambda each: (-counts[each.why], each.why))
    try:
        with path.open("w", encoding="utf-8", newline="", errors="replace") as file:
            table = csv.writer(file)
            table.writerow(("what", "why"))
            table.writerows((each.what, each.why) for each in [*ordered, *account.no_mask])
    except OSError as error:
        raise InputError(f"--left {path}: cannot be written ({error.strerror})") from None

"""Lines of `abl data check` on the DICOM and NIfTI files of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from abl.data.dataset import Dataset
from abl.data.images import FileSource
from abl.data.masks.columns import files_named
from abl.data.medical.facts import MedicalFacts, Wanted, medical_facts
from abl.data.medical.kinds import DICOM, HEAD, addressed_file, medical_kind

SHOWN = 4  # of different values in a line
NAMED = 5  # images named in a line
MANY_BITS = 12  # without a window, a picture of so many bits is hardly ever well shown


def medical_lines(dataset: Dataset) -> list[str]:
    """What the headers say, a line each; [] for a set without such files.

    Args:
        dataset: As `load_manifest` gives it.
    """
    if not isinstance(dataset.source, FileSource):
        return []
    lines: list[str] = []
    columns = ("image", "mask", "image2")
    for column in (name for name in columns if name in dataset.frame):
        folder = dataset.source.folder
        texts = dataset.frame[column].astype(str)
        files = [file for text in texts for file in files_named(folder, column, text)]
        facts = _facts_of(folder, files, column)
        for kind in sorted({each.kind for each in facts.values()}):
            found = {name: each for name, each in facts.items() if each.kind == kind}
            lines += _lines_of(kind, column, found)
    return lines


def _facts_of(folder: str, addresses: list[str], column: str) -> dict[str, MedicalFacts]:
    """Facts by address, of those that are medical files."""
    kinds, wanted, names = [], [], []
    for address in addresses:
        if not address:
            continue
        path, frame = addressed_file(folder, address)
        with path.open("rb") as file:
            kind = medical_kind(file.read(HEAD), path.name)
        if kind:
            kinds.append(kind)
            below = path.relative_to(folder).as_posix()
            wanted.append(Wanted(below, frame, picture=column != "mask"))
            names.append(address)
    found = medical_facts(Path(folder), kinds, wanted)
    return {name: each for name, each in zip(names, found, strict=True) if not each.fault}


def _lines_of(kind: str, column: str, facts: dict[str, MedicalFacts]) -> list[str]:
    every = list(facts.values())
    files = {name.rpartition("#")[0] if each.frames > 1 else name for name, each in facts.items()}
    what = {"image": "images", "mask": "masks", "image2": "second images"}[column]
    lines = [f"  {kind}: {len(facts)} {what} of {len(files)} files"]
    if kind == DICOM:
        lines.append(f"    modality: {_counts(each.modality for each in every)}")
        lines.append(f"    stored: {_counts(each.stored for each in every)}")
    lines.append(f"    frames a file: {_counts(str(each.frames) for each in every)}")
    if shown := [each.shown for each in every if each.shown]:
        lines.append(f"    shown: {_counts(shown)}")
    if column != "mask":
        lines += [f"    spacing: {_spacing(every)}", *_region_lines(facts)]
    lines += _odd_lines(facts)
    return lines


def _counts(values: Iterable[str]) -> str:
    """The most frequent values, with how many have each."""
    counts = Counter(values).most_common()
    shown = [f"{value} ({count})" for value, count in counts[:SHOWN]]
    more = [f"{len(counts) - SHOWN} others"] if len(counts) > SHOWN else []
    return "; ".join([*shown, *more])


def _spacing(every: list[MedicalFacts]) -> str:
    known = [each.geometry for each in every if each.geometry.spacing]
    if not known:
        return "unknown"
    sizes = [size for each in known for size in each.spacing or ()]
    span = f"{min(sizes):.3g} to {max(sizes):.3g} mm a pixel"
    unknown = f"; unknown ({len(every) - len(known)})" if len(known) < len(every) else ""
    return f"{span}, from {_counts(each.spacing_of for each in known)}{unknown}"


def _region_lines(facts: dict[str, MedicalFacts]) -> list[str]:
    found = [each.geometry for each in facts.values() if each.geometry.region]
    lines = []
    if found:
        several = sum(each.regions > 1 for each in found)
        union = f", the union of several in {several}" if several else ""
        lines.append(
            f"    ultrasound regions: {len(found)}{union}; "
            "crop: {to: roi} leaves out what is around them, the scanner's text too"
        )
    faults = {name: each.geometry.fault for name, each in facts.items() if each.geometry.fault}
    for fault in sorted(set(faults.values())):
        names = [name for name, of_file in faults.items() if of_file == fault]
        lines.append(f"    neither region nor spacing: {fault}: {_named(names)}")
    return lines


def _odd_lines(facts: dict[str, MedicalFacts]) -> list[str]:
    lines = []
    if flat := [
        name
        for name, each in facts.items()
        if each.shown.startswith("no window") and each.bits >= MANY_BITS
    ]:
        lines.append(
            f"    no window: {len(flat)} are shown over all that their bits can hold, and may be "
            f"nearly flat: {_named(flat)}"
        )
    if burned := [name for name, each in facts.items() if each.burned_in]:
        lines.append(
            f"    text is burnt into the pixels (BurnedInAnnotation), which may be a name: "
            f"{_named(burned)}"
        )
    if more := {name: each for name, each in facts.items() if each.held > each.frames}:
        name, each = next(iter(more.items()))
        lines.append(
            f"    more frames than NumberOfFrames says, which are not read: {len(more)} images, "
            f"as {name} ({each.held}, not {each.frames})"
        )
    if flipped := [name for name, each in facts.items() if each.flipped]:
        lines.append(f"    turned round to LPS: {_named(flipped)}")
    return lines


def _named(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more

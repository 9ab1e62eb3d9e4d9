"""What `abl data import` says: what it took, what it left and why, and what to type next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from abl.data.annotations.regions import AnnotationKind, Left
from abl.data.annotations.rows import Account
from abl.visible import visible_line

NAMED = 3  # of each reason
NO_PATIENTS = "  No patients are known, so each image will count as one; --patient names a source."


def reasons_text(left: Iterable[Left]) -> list[str]:
    """A line for each reason: how many, the words, the first by name."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for each in left:
        by_reason[each.why].append(each.what)
    return [
        f"{len(names)} x {why}: {'; '.join(names[:NAMED])}{'; ...' if len(names) > NAMED else ''}"
        for why, names in sorted(by_reason.items(), key=lambda item: -len(item[1]))
    ]


def imported_text(
    *,
    kind: AnnotationKind,
    by: str,
    rows: Sequence[tuple[str, str, int, bool]],
    masks: int,
    account: Account,
    notes: Sequence[str],
    hidden: int,
    knows_patients: bool,
    out: Path,
    left_in: Path | None,
) -> str:
    """The report of an import.

    Args:
        rows: Label, patient, regions, and whether it has a box, of each row.
    """
    labels = Counter(label for label, _, _, _ in rows)
    patients = len({patient for _, patient, _, _ in rows})
    regions = sum(count for _, _, count, _ in rows)
    boxes = sum(has_box for _, _, _, has_box in rows)
    whose = f"{patients} patients" if knows_patients else "patients unknown"
    lines = [
        f"{out}: {len(rows)} images, {whose}, read as {kind.title}",
        f"  classes by {by.removeprefix('region:')}:",
        *(f"    {name}: {count} images" for name, count in sorted(labels.items())),
    ]
    if regions:
        lines.insert(1, f"  {regions} regions: {masks} masks, {boxes} boxes, one an image")
    several = sum(count > 1 for _, _, count, _ in rows)
    if several:
        lines.append(f"  {several} images have several regions; they are united")
    for title, left in (("left out", account.left), ("without a mask", account.no_mask)):
        if left:
            lines.append(f"  {title}:")
            lines += [f"    {line}" for line in reasons_text(left)]
    if left_in is not None:
        lines.append(f"  all that was left out: {left_in}")
    if hidden:
        lines.append(f"  {hidden} hidden files were passed over")
    lines += [f"  {note}" for note in notes]
    if not knows_patients:
        lines.append(NO_PATIENTS)
    if len(labels) > 1:
        names = ",".join(sorted(labels))
        lines.append(f"next: abl data check {out} --classes {names}")
    else:
        lines.append(f"  warning: every image is '{next(iter(labels))}'; nothing can be told apart")
    # names of files are quoted here
    return "".join(f"{visible_line(line)}\n" for line in lines)

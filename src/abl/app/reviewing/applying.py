"""`abl review SWEEP --apply`: what readers decided, as a corrected set beside the old one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from abl.app.image_pages.text_cells import sheet_text
from abl.app.results import outcome_folder, outcome_named
from abl.app.reviewing.answers import Answer, read_answers
from abl.app.reviewing.corrected import Manifests, corrected_manifests
from abl.app.reviewing.corrected_sweep import corrected_text, corrected_values, paths_for
from abl.app.reviewing.readers import Ruling, agreement_lines, by_image, rulings, verdict_words
from abl.app.reviewing.reviewed_data import ReviewedData, reviewed_data
from abl.app.reviewing.reviewed_splits import refuse_emptied_splits
from abl.app.reviewing.sheet import DECISIONS, DROP, RELABEL
from abl.data.dataset import TOGETHER
from abl.data.train_labels import NOT_TRAINED, TRAIN_LABEL
from abl.errors import InputError, Problem, raise_if_any
from abl.plan.outcome import Outcome
from abl.record.done import write_atomically
from abl.record.store import Store
from abl.report.labels import counted, one_line
from abl.spec.sweep import Sweep
from abl.spec.yaml_file import read_with_faults

CORRECTED, BEFORE, SWEEP, DISPUTED = (
    "corrected.csv", "before.csv", "sweep.yaml", "disagreements.csv",
)  # fmt: skip
SUFFIX = "-reviewed"
LONGEST_NAME = 80  # of a sweep
_SETS = {"data.manifest", "data.set", "data.images"}  # settings that name a set
MOST_DISPUTED = 20  # told in lines; the file has all


def apply_review(
    store: Store,
    name: str,
    sheets: Sequence[Path],
    *,
    out: Path,
    resolve: str = "unsure",
    test_labels: bool = False,
    roots: Sequence[Path] = (),
) -> list[str]:
    """Writes a corrected manifest and a sweep with it beside the old one; returns what is said.

    Args:
        sheets: Review sheets that were filled in, that of the first reader first.
        out: Folder for the files; none of them may be there.
        resolve: unsure, first or keep: what holds where readers disagree.
        test_labels: Whether labels of test sets are corrected too.
        roots: Folders of data sets.

    Raises:
        InputError: Everything that is wrong with the sheets; a file that is there already; data
            that have no manifest, or two images a row.
    """
    outcome = outcome_named(store, name)
    data = reviewed_data(store, outcome, roots)
    _check_data(data)
    classes = data.dataset.classes
    labels = {str(image): int(label) for image, label in data.labels.items()}
    answers = read_answers(
        sheets, sweep=outcome.name, digest=data.digest, labels=labels, classes=classes
    )
    decided = rulings(answers, resolve)
    if not any(each.decision in (RELABEL, DROP) for each in decided.values()):
        raise InputError("no image is relabelled or dropped: there is nothing to correct")
    _check_left(data, decided)
    refuse_emptied_splits(data, decided, test_labels=test_labels)
    base = Path.cwd()
    made = corrected_manifests(
        data.sweep.data, data.dataset, decided, test_labels=test_labels, base=base, roots=roots
    )
    own = made.before is not None
    paths = paths_for(data.sweep.data, out=out, base=base, roots=roots, own=own)
    notes = [*_counts(decided, len(data.dataset)), *_readers(answers, decided, data, resolve)]
    notes += [_test_words(test_labels)]
    values = corrected_values(
        read_with_faults(outcome_folder(store, outcome) / SWEEP).values,
        name=outcome.name[: LONGEST_NAME - len(SUFFIX)] + SUFFIX,
        title=_title(outcome, test_labels),
        corrected=CORRECTED,
        before=BEFORE if own else paths.before,
        images=paths.images,
    )
    beside, elsewhere = _other_files(data.sweep)
    folders = [each for each in (paths.root, base if elsewhere else None) if each is not None]
    options = "".join(f" --data {folder}" for folder in dict.fromkeys(folders))
    text = corrected_text(values, [f"After a review of {outcome.name}.", *map(one_line, notes)])
    files = {SWEEP: text, **_tables(made), **_disputed(answers, classes)}
    _write(out, files)
    return [
        *notes,
        *_disputed_lines(answers, classes),
        f"{out / CORRECTED}: the corrected manifest",
        f"{out / SWEEP}: the sweep with it beside the old one; "
        f"abl sweep {out / SWEEP}{options} runs it",
        *(f"first copy {name} to {out}: it must lie beside the sweep file" for name in beside),
    ]


def _check_data(data: ReviewedData) -> None:
    given, sweep = data.sweep.data, data.sweep
    varied = {name for block in (sweep.axes, *sweep.arms) for name in block}
    if other := sorted(varied & _SETS):
        raise InputError(
            f"{sweep.name} has several sets already (axis {other[0]}): run a sweep on the one that "
            "is to be corrected, then review that"
        )
    if given.phantom is not None:
        raise InputError(
            "data.phantom has no manifest to correct: `abl data phantom` writes the generated "
            "images with one; run the sweep on that, then review it"
        )
    if given.modality == "mixed":
        raise InputError(
            "data.modality: mixed makes two images of each row: a label is of the row; review a "
            "sweep with modality: first or second"
        )


def _check_left(data: ReviewedData, decided: dict[str, Ruling]) -> None:
    """Raises InputError where a class has no image left to train on: no sweep could run."""
    trained = data.dataset.frame[TRAIN_LABEL].to_numpy() != NOT_TRAINED
    before: Counter[int] = Counter()
    after: Counter[int] = Counter()
    dropped: Counter[int] = Counter()
    for (name, label), is_trained in zip(data.labels.items(), trained, strict=True):
        ruling = decided.get(str(name))
        before[int(label)] += bool(is_trained)
        if ruling is not None and ruling.decision == DROP:
            dropped[int(label)] += bool(is_trained)
        elif ruling is not None and ruling.new_label is not None:
            after[ruling.new_label] += 1
        else:
            after[int(label)] += bool(is_trained)
    problems = []
    for label, count in before.items():
        if not count or after[label]:
            continue
        counts = {DROP: dropped[label], RELABEL: count - dropped[label]}
        what = ", ".join(f"{word} on {number}" for word, number in counts.items() if number)
        problems.append(
            f"no image of class {data.dataset.classes[label]} is left to train on: the sheets say "
            f"{what} of its {counted(count, 'image')}; write keep or unsure for those that stay"
        )
    raise_if_any([Problem(each) for each in problems])


def _other_files(sweep: Sweep) -> tuple[list[str], bool]:
    """Files that must lie beside the sweep file, and whether it names others by their paths."""
    beside = [] if sweep.module is None else [sweep.module]
    others = [sweep.train.weights_file, *(each.manifest for each in sweep.external)]
    return beside, any(each is not None for each in others)


def _title(outcome: Outcome, test_labels: bool) -> str:
    title = one_line(outcome.title) or outcome.name
    which = "labels of training and test sets" if test_labels else "training labels"
    return f"{title}; {which} as they were, and corrected after a review"


def _test_words(test_labels: bool) -> str:
    if test_labels:
        return (
            "Test labels are corrected too: both sets are scored on the corrected labels, without "
            "the images that were dropped; they differ in what is trained."
        )
    return (
        "Test labels and splits stay as they were: new labels are of training parts alone, and "
        "dropped images leave training parts alone."
    )


def _counts(decided: dict[str, Ruling], images: int) -> list[str]:
    count = Counter(each.decision for each in decided.values())
    told = ", ".join(f"{count[word]} {word}" for word in DECISIONS if count[word])
    return [f"{counted(len(decided), 'image')} of {images} decided: {told}."]


def _readers(
    answers: Sequence[Answer], decided: dict[str, Ruling], data: ReviewedData, resolve: str
) -> list[str]:
    frame = data.dataset.frame
    column = TOGETHER if TOGETHER in frame else "patient"
    patients = dict(zip(frame["image"].astype(str), frame[column].astype(str), strict=True))
    lines = agreement_lines(answers, patients, data.dataset.classes)
    disputed = sum(each.disputed for each in decided.values())
    if disputed:
        word = {"unsure": "unsure, and left as they are", "first": "as the first reader decided"}
        lines.append(
            f"{counted(disputed, 'image')} on which readers disagree: "
            f"{word.get(resolve, 'kept as they are')} (--resolve {resolve})."
        )
    return lines


def _disagreements(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    return {
        image: given
        for image, given in by_image(answers).items()
        if any(each.verdict != given[0].verdict for each in given)
    }


def _disputed_lines(answers: Sequence[Answer], classes: Sequence[str]) -> list[str]:
    found = _disagreements(answers)
    lines = [
        f"  {image}: "
        + ", ".join(
            f"{each.reader or '?'} {verdict_words(each.decision, each.new_label, classes)}"
            for each in given
        )
        for image, given in list(found.items())[:MOST_DISPUTED]
    ]
    more = len(found) - MOST_DISPUTED
    return lines + ([f"  and {more} more in {DISPUTED}"] if more > 0 else [])


def _disputed(answers: Sequence[Answer], classes: Sequence[str]) -> dict[str, str]:
    found = _disagreements(answers)
    if not found:
        return {}
    rows = [
        [
            image, each.reader, each.decision,
            "" if each.new_label is None else classes[each.new_label], each.cause, each.comment,
        ]
        for image, given in found.items()
        for each in given
    ]  # fmt: skip
    columns = ["image", "reader", "decision", "new_label", "cause", "comment"]
    return {DISPUTED: sheet_text(columns, rows)}


def _tables(made: Manifests) -> dict[str, str]:
    def text(table: pd.DataFrame) -> str:
        return table.to_csv(index=False, lineterminator="\n")

    before = {} if made.before is None else {BEFORE: text(made.before)}
    return {CORRECTED: text(made.corrected), **before}


def _write(out: Path, files: dict[str, str]) -> None:
    raise_if_any(
        [
            Problem(f"--out {out}: {name} is there already: give another folder")
            for name in files
            if (out / name).exists()
        ]
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            write_atomically(out / name, text)
    except OSError as error:
        why = error.strerror or str(error)
        raise InputError(f"--out {out}: cannot be written ({why})") from None

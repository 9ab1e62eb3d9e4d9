"""Review sheets that were filled in, as answers; every fault is told with its file and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from abl.app.image_pages.text_cells import from_text_cell
from abl.app.reviewing.sheet import ANSWERS, CAUSES, DECISIONS, IDENTITY, RELABEL
from abl.data.tables.alike_names import label_fault, nearest_name
from abl.data.tables.rows import Rows, first_of_each_kind, read_rows
from abl.data.tables.words import class_numbers, same_name
from abl.errors import InputError, Problem, nearest, raise_if_any

_NEEDED = (*IDENTITY, "decision", "new_label")


@dataclass(frozen=True)
class Answer:
    """What one reader decided on one image.

    Attributes:
        reader: As the sheet names them, "" if it does not.
        new_label: Position of the class, with relabel alone.
        place: File and row, for messages.
    """

    image: str
    reader: str
    decision: str
    new_label: int | None
    cause: str
    comment: str
    place: tuple[str, int]

    @property
    def verdict(self) -> tuple[str, int | None]:
        """What two readers agree on, or do not."""
        return self.decision, self.new_label


def read_answers(
    paths: Sequence[Path],
    *,
    sweep: str,
    digest: str,
    labels: Mapping[str, int],
    classes: Sequence[str],
) -> list[Answer]:
    """The answers of all sheets, in the order of the files; rows without a decision are left out.

    Args:
        sweep, digest: Of which the sheets must be: name of the sweep, digest of its data.
        labels: Class by image.

    Raises:
        InputError: Everything that is wrong with the sheets, or nothing is decided in them.
    """
    problems: list[Problem] = []
    answers: list[Answer] = []
    for path in paths:
        try:
            rows = read_rows(path)
        except InputError as error:
            problems += error.problems
            continue
        missing = [name for name in _NEEDED if name not in rows.frame]
        if missing:
            named = ", ".join(missing)
            said = f"no column {named}: it is no sheet of `abl review`, or columns were taken out"
            problems.append(rows.header_problem(said))
            continue
        others = _of_other_data(rows, sweep, digest)
        if len(others) == len(rows.frame) > 0:  # the sheet is another one: nothing else is told
            first = {said: position for position, said in reversed(others.items())}
            problems += [rows.problem(position, said) for said, position in first.items()]
            continue
        answers += _answers_of(rows, labels, classes, others, problems)
    problems += _twice(answers)
    raise_if_any(first_of_each_kind(problems))
    if not answers:
        named = ", ".join(str(path) for path in paths)
        raise InputError(f"{named}: nothing is decided: fill in the column decision")
    return answers


def _text(rows: Rows, column: str) -> list[str]:
    if column not in rows.frame:
        return [""] * len(rows.frame)
    return [from_text_cell(text).strip() for text in rows.text(column)]


def _of_other_data(rows: Rows, sweep: str, digest: str) -> dict[int, str]:
    """Positions of rows that are of another sweep or of other data -> what is said of each."""
    found = {}
    for position, (name, data) in enumerate(
        zip(_text(rows, "sweep"), _text(rows, "data"), strict=True)
    ):
        if name != sweep:
            found[position] = f"is of the sweep '{name}', not of {sweep}"
        elif data != digest:
            said = f"images or labels of {sweep} are others now ({digest}) than in this review"
            found[position] = f"{said} ({data}): write the page again"
    return found


def _answers_of(
    rows: Rows,
    labels: Mapping[str, int],
    classes: Sequence[str],
    others: Mapping[int, str],
    problems: list[Problem],
) -> list[Answer]:
    """The answers of a sheet.

    Args:
        others: Positions of rows that are of other data -> what is said of each.
    """
    found = []
    texts = {name: _text(rows, name) for name in ("image", "label", *ANSWERS)}
    number_of = class_numbers([*texts["label"], *texts["new_label"]], classes)
    for position, cells in enumerate(zip(*texts.values(), strict=True)):
        if position in others:
            problems.append(rows.problem(position, others[position]))
            continue
        cell = dict(zip(texts, cells, strict=True))
        decision = same_name(cell["decision"])
        wrong: list[str] = []
        if cell["image"] not in labels:
            wrong.append(f"image '{cell['image']}' is unknown; {_nearest(cell['image'], labels)}")
        if decision and decision not in DECISIONS:
            wrong.append(f"decision '{cell['decision']}': {nearest(decision, DECISIONS)}")
        if cell["cause"] and same_name(cell["cause"]) not in CAUSES:
            wrong.append(f"cause '{cell['cause']}': {nearest(same_name(cell['cause']), CAUSES)}")
        wrong += _label_faults(cell, decision, number_of, labels, classes)
        problems += [rows.problem(position, each) for each in wrong]
        if decision and not wrong:
            found.append(
                Answer(
                    cell["image"],
                    cell["reader"],
                    decision,
                    number_of[cell["new_label"]] if decision == RELABEL else None,
                    same_name(cell["cause"]),
                    cell["comment"],
                    (rows.file, rows.numbers[position]),
                )
            )
    return found


def _label_faults(
    cell: Mapping[str, str],
    decision: str,
    number_of: Mapping[str, int],
    labels: Mapping[str, int],
    classes: Sequence[str],
) -> list[str]:
    given, label = cell["new_label"], labels.get(cell["image"])
    if label is not None and number_of.get(cell["label"]) != label:
        return [
            f"label '{cell['label']}' is '{classes[label]}' in the data: leave the column label as "
            "it was; another class is written into new_label, with relabel"
        ]
    if given and given not in number_of:
        return [f"new_label: {label_fault(given, tuple(classes), frozenset())}"]
    if decision == RELABEL and not given:
        return ["relabel without a new_label: write the class, or unsure"]
    if given and decision != RELABEL:
        return [f"new_label '{given}' beside '{decision}': write relabel, or leave new_label empty"]
    if given and number_of[given] == label:
        return [f"new_label '{given}' is its label: write keep"]
    return []


def _nearest(image: str, labels: Mapping[str, int]) -> str:
    return nearest_name(image, labels) if len(labels) <= 2000 else "it is in no row of the data"


def _twice(answers: Sequence[Answer]) -> list[Problem]:
    first: dict[tuple[str, str], Answer] = {}
    problems = []
    for answer in answers:
        before = first.setdefault((same_name(answer.reader), answer.image), answer)
        if before is answer:
            continue
        file, row = before.place
        where = f"row {row}" if file == answer.place[0] else f"{file}:{row}"
        who = f"reader '{answer.reader}'" if answer.reader else "a reader without a name"
        advice = "" if answer.reader else "; name readers in the column reader"
        said = f"{who} decided on image '{answer.image}' in {where} already{advice}"
        problems.append(Problem(said, *answer.place))
    return problems

"""Files of readers' answers (CSV or Parquet), one row an answer: read and checked.

Columns, in any order and case; others are passed over:

- case or image: any name; reader or rater: any name (without the column, the name of the file).
- truth or label: a class, by name or as 0 and 1; it may be known from elsewhere instead.
- rating: a number on any scale, the higher the surer of the positive class; or answer: a class.
  Both may be there. An empty field, `NA` and the like are no answer.
- treatment, patient, experience, session, confidence, comment: optional.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.readers.answer_values import read_answer_values
from abl.data.readers.named_classes import named_classes
from abl.data.readers.reader_answers import ANSWER_KEYS, ReaderAnswers
from abl.data.tables.alike_names import AlikeNames, nearest_name, shown_name
from abl.data.tables.rows import Rows, first_of_each_kind, read_rows
from abl.data.tables.who_is_who import alike_sentence
from abl.data.tables.words import ANSWER_COLUMNS, same_name
from abl.errors import InputError, Problem, raise_if_any

_NAMES = ("case", "reader", "treatment", "patient")  # of which no field may be empty
_FREE = ("experience", "session", "comment")


def read_reader_answers(
    paths: Sequence[Path],
    *,
    classes: Sequence[str] | None = None,
    positive: str | None = None,
    labels: Mapping[str, int] | None = None,
    patients: Mapping[str, str] | None = None,
) -> ReaderAnswers:
    """The answers of one file or several, checked together.

    Args:
        classes: Names of the classes 0, 1, ...; by default they are found in the files, in the
            order in which words such as benign and malignant have one.
        positive: The positive class; by default the last of two, and of more none.
        labels: Truth by case, from elsewhere; then a file needs no column truth, and one that is
            there must agree.
        patients: Patient by case, from elsewhere, where the files do not say.

    Raises:
        InputError: Everything that is wrong with the files, with file and row.
    """
    problems: list[Problem] = []
    notes: list[str] = []
    parts = [_columns_of(path, problems, notes) for path in _each_once(paths, problems)]
    whole = [part for part in parts if part is not None]
    if not whole:
        raise_if_any(problems)
        raise InputError("no file of readers' answers")
    raw = pd.concat(whole, ignore_index=True)
    for name in ANSWER_COLUMNS:
        if name not in raw:
            raw[name] = ""
    raw = raw.fillna("")
    _tell_empty_names(raw, problems)
    before = len(problems)
    elsewhere = labels is not None
    named, at = named_classes(raw, classes, positive, known=elsewhere, problems=problems)
    if len(problems) > before:  # without the classes no field can be judged
        _raise_in_order(problems)
    frame = raw[["case", "reader", "treatment", "patient", *_FREE]].copy()
    named_by = "" if elsewhere or classes is not None else "--classes"
    values = read_answer_values(raw, named, problems, notes, named_by)
    frame = frame.join(values)
    if labels is not None:
        _join_labels(frame, raw, labels, named, problems)
    if patients is not None:
        known = frame["case"].map(dict(patients))
        frame["patient"] = frame["patient"].where(frame["patient"] != "", known.fillna(""))
    _tell_twice(frame, raw, problems)
    for column, of in (("truth", "case"), ("patient", "case"), ("experience", "reader")):
        _agree(frame, raw, column, of, named, problems)
    frame["patient"] = frame["patient"].where(frame["patient"] != "", frame["case"])
    _raise_in_order(problems)
    _check_truth(frame, raw, named)
    notes += _of_a_page(raw) if labels is None and frame["truth"].isna().all() else []
    for column in ("reader", "patient", "treatment"):
        said = alike_sentence(column, frame[column], raw["row"] if len(whole) == 1 else None)
        notes += [said] * bool(said)
    return ReaderAnswers(frame, named, tuple(dict.fromkeys(notes)), at)


def _of_a_page(raw: pd.DataFrame) -> list[str]:
    """Where the truth of answers without one is, if they were given on a page of a sweep."""
    names = sorted(set(raw["sweep"]) - {""}) if "sweep" in raw else []
    return [
        f"These are answers on a page of the sweep {name}: --sweep {shlex.quote(name)} brings the "
        "truth of its images."
        for name in names
    ]


def _each_once(paths: Sequence[Path], problems: list[Problem]) -> list[Path]:
    seen: dict[Path, Path] = {}
    for path in paths:
        if seen.setdefault(path.resolve(), path) is not path:
            problems.append(Problem("is given twice: name each file once", file=str(path)))
    return list(seen.values())


def _columns_of(path: Path, problems: list[Problem], notes: list[str]) -> pd.DataFrame | None:
    """The known columns as text, with file and row; None after a fault of the file."""
    try:
        rows = read_rows(path)
    except InputError as error:
        problems += error.problems
        return None
    notes += [rows.note] * bool(rows.note)
    found, faults = _known_columns(rows)
    if "case" not in found:
        near = nearest_name("case", map(str, rows.frame.columns))
        faults.append(f"no column {' or '.join(ANSWER_COLUMNS['case'])}; {near}")
    if not {"rating", "answer"} & found.keys():
        faults.append("no column rating or answer: what did the readers say?")
    if not len(rows.frame) and not faults:
        faults.append("has no rows")
    if faults:
        problems += [rows.header_problem(each) for each in faults]
        return None
    frame = pd.DataFrame({name: rows.given(column) for name, column in found.items()})
    for name in set(_NAMES) & found.keys():  # what a word of nothing stood for is told with it
        frame[f"{name} as written"] = rows.text(found[name])
    if "reader" not in frame:
        frame["reader"] = path.stem
        notes.append(f"{path.name}: without a column reader, all answers are those of {path.stem}.")
    of_page = next(
        (str(name) for name in rows.frame.columns if same_name(str(name)) == "sweep"), ""
    )
    if of_page:
        frame["sweep"] = rows.given(of_page)
    return frame.assign(file=str(path), row=rows.numbers)


def _known_columns(rows: Rows) -> tuple[dict[str, str], list[str]]:
    """Column as it is called here -> as the file calls it; what is wrong with them."""
    found: dict[str, str] = {}
    faults = []
    for column in map(str, rows.frame.columns):
        for name, spellings in ANSWER_COLUMNS.items():
            if same_name(column) not in spellings:
                continue
            if name in found:
                faults.append(f"columns {found[name]} and {column} are both {name}: keep one")
            else:
                found[name] = column
    return found, faults


def _tell_empty_names(raw: pd.DataFrame, problems: list[Problem]) -> None:
    for name in _NAMES:
        for file, part in raw.groupby("file", sort=False):
            empty = (part[name] == "").to_numpy()
            if empty.all() and name not in ("case", "reader"):
                continue  # the file has no such column
            written = part.get(f"{name} as written", part[name])[empty]
            problems += [
                Problem(_empty_words(name, text), file=str(file), line=int(row))
                for row, text in zip(part["row"][empty], written, strict=True)
            ]


def _empty_words(name: str, written: str) -> str:
    if not written or written.lower() == "nan":
        return f"{name} is empty"
    return f"{name} {shown_name(written)} says that there is none: write another word"


def _join_labels(
    frame: pd.DataFrame,
    raw: pd.DataFrame,
    labels: Mapping[str, int],
    named: Sequence[str],
    problems: list[Problem],
) -> None:
    """Fills the truth in from elsewhere; tells of cases that are not there or differ."""
    known = frame["case"].map(dict(labels)).astype(np.float64)
    hints = AlikeNames(labels)
    for at in np.flatnonzero(known.isna() & ~frame["case"].duplicated()):
        case = str(frame["case"].iloc[at])
        hint = hints.hint(case)
        hint = hint or f"known are such as {shown_name(next(iter(labels), ''))}"
        said = f"case {shown_name(case)} has no known truth; {hint}"
        problems.append(_problem(raw, at, said))
    differs = known.notna() & frame["truth"].notna() & (known != frame["truth"])
    for at in np.flatnonzero(differs & ~frame["case"].duplicated()):
        here, there = (named[int(each.iloc[at])] for each in (frame["truth"], known))
        said = f"case {shown_name(str(frame['case'].iloc[at]))}: truth {here}, elsewhere {there}"
        problems.append(_problem(raw, at, said))
    frame["truth"] = known


def _raise_in_order(problems: list[Problem]) -> None:
    """Raises InputError with the problems by file and row; those of no row come last."""
    files = {problem.file: at for at, problem in reversed(list(enumerate(problems)))}
    problems.sort(key=lambda each: (each.line is None, files[each.file], each.line or 0))
    raise_if_any(first_of_each_kind(problems))


def _tell_twice(frame: pd.DataFrame, raw: pd.DataFrame, problems: list[Problem]) -> None:
    keys = frame[list(ANSWER_KEYS)]
    again = keys.duplicated().to_numpy()
    if not again.any():
        return
    first = keys.groupby(list(ANSWER_KEYS), sort=False).ngroup().to_numpy()
    _, places = np.unique(first, return_index=True)
    for at in np.flatnonzero(again):
        before = raw.iloc[places[first[at]]]
        row = keys.iloc[at]
        where = f"row {before['row']}"
        if before["file"] != raw["file"].iloc[at]:
            where = f"{before['file']}:{before['row']}"
        said = f"reader {shown_name(row['reader'])} answered case {shown_name(row['case'])} before"
        under = f", treatment {shown_name(row['treatment'])}" if row["treatment"] else ""
        advice = "" if row["session"] else "; a second reading needs a column session"
        problems.append(_problem(raw, at, f"{said}{under} ({where}){advice}"))


def _agree(
    frame: pd.DataFrame,
    raw: pd.DataFrame,
    column: str,
    of: str,
    named: Sequence[str],
    problems: list[Problem],
) -> None:
    """What one row says of a case or reader holds for its other rows; another word is a fault."""
    given = frame[column].replace("", np.nan)
    first = given.groupby(frame[of], sort=False).transform("first")
    for at in np.flatnonzero((given != first) & given.notna()):
        here, there = given.iloc[at], first.iloc[at]
        if column == "truth":
            here, there = named[int(here)], named[int(there)]
        name = shown_name(str(frame[of].iloc[at]))
        said = f"{of} {name}: {column} {shown_name(str(here))} here, {shown_name(str(there))} in"
        problems.append(_problem(raw, at, f"{said} an earlier row"))
    frame[column] = first if column == "truth" else first.fillna("")


def _check_truth(frame: pd.DataFrame, raw: pd.DataFrame, named: Sequence[str]) -> None:
    """Raises InputError of cases of one class alone; some cases without truth are a fault too."""
    truth = frame["truth"]
    if truth.isna().all():
        return
    file = str(raw["file"].iloc[0]) if raw["file"].nunique() == 1 else None
    missing = np.flatnonzero(truth.isna())
    if len(missing):
        problems = [_problem(raw, at, "truth is empty") for at in missing.tolist()]
        raise InputError(first_of_each_kind(problems))
    absent = [name for at, name in enumerate(named) if not (truth == at).any()]
    if len(named) == 2 and absent:
        said = f"no case is {absent[0]}: readers are compared on cases of both classes"
        raise InputError(Problem(said, file=file))
    if len(named) - len(absent) < 2:
        said = f"no case is {' or '.join(absent)}: readers are compared on cases of several classes"
        raise InputError(Problem(said, file=file))


def _problem(raw: pd.DataFrame, at: int | np.integer, message: str) -> Problem:
    return Problem(message, file=str(raw["file"].iloc[at]), line=int(raw["row"].iloc[at]))

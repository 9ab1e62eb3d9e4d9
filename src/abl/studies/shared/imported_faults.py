"""Why predictions from elsewhere do not fit a sweep's tests: causes before consequences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd

from abl.data.tables.alike_names import AlikeNames, shown_name
from abl.data.tables.key_spellings import counted_from_one, names_apart
from abl.decide.replicates import KEYS
from abl.errors import Problem

_MOST_PROBLEMS = 10


class _Predictions(Protocol):
    """What is read of an ImportedArm."""

    @property
    def file(self) -> str: ...
    @property
    def frame(self) -> pd.DataFrame: ...
    @property
    def told(self) -> tuple[str, ...]: ...
    @property
    def others(self) -> pd.DataFrame | None: ...


def faults_on_tests(
    imported: _Predictions, tests: pd.DataFrame, found: pd.DataFrame, unit: str
) -> list[Problem]:
    """What is wrong with predictions as those of a sweep's tests; of one kind, the first cause.

    Args:
        tests: repeat, fold, seed, unit (str), label, patient of the sweep's tests.
        found: The tests with the columns of the predictions, nan where there is none; the file's
            label as `said`.
        unit: What is scored, for messages.
    """
    lost = found[found["row"].isna().to_numpy(dtype=bool)]
    if lost.empty:
        return _also_trained(imported, tests, unit) or _other_labels(imported.file, found, unit)
    if others := _other_values(imported, tests, lost):
        return others
    stray = _strays(imported, tests, unit)
    frame = imported.frame[~imported.frame["row"].isin(list(stray)).to_numpy(dtype=bool)]
    rest = _Rows(imported.file, frame, imported.told, imported.others)
    told = _told_strays(stray, imported.file)
    moved = _of_other_folds(rest, tests, lost, unit) or _of_other_roles(rest, lost, unit)
    without = len(lost[[*_keys_of(imported), "unit"]].drop_duplicates())
    if not moved and without > len(stray):  # else stray rows are what is lacking
        moved = [_lacking(imported, found, lost, unit)]
    return told + moved


def faults_of_rows(
    imported: _Predictions, tests: pd.DataFrame, unit: str, file: str
) -> list[Problem]:
    """What is wrong with rows of a file of which others cannot be read: it is told beside that.

    Args:
        imported: The rows that can be read.
        tests: repeat, fold, seed, unit (str), label of the sweep's tests.
        file: For messages.
    """
    stray = _strays(imported, tests, unit)
    problems = _told_strays(stray, file)
    own = dict(zip(tests["unit"].astype(str), tests["label"].astype(int), strict=True))
    frame = imported.frame
    known = frame[frame["unit"].isin(own) & ~frame["row"].isin(list(stray))]
    found = pd.DataFrame({name: known[name] for name in ("unit", "row")})
    found["said"], found["label"] = known["label"], known["unit"].map(own)
    if found["said"].nunique() < found["label"].nunique():  # as where no label could be read
        return problems
    return problems + _other_labels(file, found, unit)


@dataclass(frozen=True, eq=False)
class _Rows:
    """Some rows of a file, as _Predictions."""

    file: str
    frame: pd.DataFrame
    told: tuple[str, ...]
    others: pd.DataFrame | None


def _keys_of(imported: _Predictions) -> list[str]:
    return [key for key in KEYS if key in imported.frame]


def _strays(imported: _Predictions, tests: pd.DataFrame, unit: str) -> dict[int, str]:
    """Row -> why it can be of no test: its fold, or its unit, does not exist in the sweep.

    Where nothing at all fits, it is spelled otherwise, which is told in other words.
    """
    frame, found = imported.frame, dict[int, str]()
    rows = frame["row"].to_numpy()
    for key in _keys_of(imported):
        own, theirs = set(tests[key]), set(frame[key])
        if not own & theirs or counted_from_one(theirs, own):
            continue
        for at in np.flatnonzero(~frame[key].isin(own).to_numpy(dtype=bool)):
            said = f"{key} {frame[key].iloc[at]} is not in the sweep, which has {_values(key, own)}"
            found.setdefault(int(rows[at]), said)
    if "in_data" in frame and frame["in_data"].any():
        for at in np.flatnonzero(~frame["in_data"].to_numpy(dtype=bool)):
            said = f"{unit} {shown_name(frame['unit'].iloc[at])} is not in the sweep's data"
            found.setdefault(int(rows[at]), said)
    return found


def _told_strays(stray: dict[int, str], file: str) -> list[Problem]:
    problems = [
        Problem(said, file=file, line=row) for row, said in sorted(stray.items())[:_MOST_PROBLEMS]
    ]
    if len(stray) > _MOST_PROBLEMS:
        problems.append(Problem(f"and {len(stray) - _MOST_PROBLEMS:,} more rows like it", file))
    return problems


def _other_values(imported: _Predictions, tests: pd.DataFrame, lost: pd.DataFrame) -> list[Problem]:
    """Repeats, folds or seeds of the sweep of which the file has none."""
    if not imported.frame["unit"].isin(tests["unit"]).any():
        return []  # other names, which is told first
    problems = []
    for key in KEYS:
        if key not in imported.frame:
            continue
        own, theirs = set(tests[key]), set(imported.frame[key])
        if not own <= theirs:
            message = f"has {_values(key, theirs)}, the sweep has {_values(key, own)}"
            if key == "seed":
                message += "; leave the column seed out if there is one training for all seeds"
            else:
                message += ": take those that `abl splits` writes"
            problems.append(Problem(message, file=imported.file))
    return problems


def _values(key: str, values: Iterable[int]) -> str:
    several = sorted(values)
    shown = ", ".join(map(str, several[:_MOST_PROBLEMS]))
    more = ", ..." if len(several) > _MOST_PROBLEMS else ""
    return f"{key}{'s' if len(several) > 1 else ''} {shown}{more}"


def _also_trained(imported: _Predictions, tests: pd.DataFrame, unit: str) -> list[Problem]:
    """Tests of the sweep that the file has as tests and, in the same split, trains on."""
    several = {key for key in KEYS[:2] if tests[key].nunique() > 1}
    # without its split an image that trains here and is a test there is both, rightly
    told = several <= set(imported.told)
    return _of_other_roles(imported, tests, unit, ("train",)) if told else []


def _of_other_roles(
    imported: _Predictions,
    lost: pd.DataFrame,
    unit: str,
    roles: Sequence[str] = ("train", "validation"),
) -> list[Problem]:
    """Tests of the sweep that the file has under another role."""
    others = imported.others
    if others is None or others.empty:
        return []
    keys = [*(key for key in KEYS if key in others), "unit"]
    asked = pd.MultiIndex.from_frame(lost[keys])
    wrong = others[pd.MultiIndex.from_frame(others[keys]).isin(asked) & others["split"].isin(roles)]
    problems = [
        Problem(
            f"{unit} '{row['unit']}' has role {row['split']}, in the sweep it is a test"
            + (" of " if keys[:-1] else "")
            + ", ".join(f"{key} {row[key]}" for key in keys[:-1]),
            file=imported.file,
            line=int(row["row"]),
        )
        for row in wrong.head(_MOST_PROBLEMS).to_dict("records")
    ]
    if count := len(wrong):
        message = f"{count:,} tests of the sweep are in the file under another role: train on the "
        problems.append(Problem(message + "splits that `abl splits` writes", file=imported.file))
    return problems


def _of_other_folds(
    imported: _Predictions, tests: pd.DataFrame, lost: pd.DataFrame, unit: str
) -> list[Problem]:
    """Rows that the file has for other splits than those in which their units are tests."""
    keys = [key for key in KEYS[:2] if key in imported.frame]
    if not keys:
        return []
    # a unit is tested once in each repeat; its row of another repeat is no row of this one
    within = [*(key for key in keys if key == "repeat"), "unit"]
    tested = tests[[*keys, "unit"]].drop_duplicates()
    missing = pd.MultiIndex.from_frame(lost[within].drop_duplicates())
    right = pd.MultiIndex.from_frame(tested)
    wrong = imported.frame[~pd.MultiIndex.from_frame(imported.frame[[*keys, "unit"]]).isin(right)]
    is_of_lost = pd.MultiIndex.from_frame(wrong[within]).isin(missing)
    if "split" not in imported.told and not is_of_lost.all():
        return []  # a file of every image for every split: some of its rows are missing
    wrong = wrong[is_of_lost]
    problems = []
    for row in wrong.head(_MOST_PROBLEMS).to_dict("records"):
        same = tested[[tuple(each) == tuple(row[key] for key in within)
                       for each in tested[within].itertuples(index=False)]]  # fmt: skip
        there = ", ".join(f"{key} {row[key]}" for key in keys)
        here = ", ".join(f"{key} {same.iloc[0][key]}" for key in keys)
        message = (
            f"{unit} '{row['unit']}' is given for {there}, in the sweep it is a test of {here}"
        )
        problems.append(Problem(message, file=imported.file, line=int(row["row"])))
    if count := wrong["unit"].nunique():
        more = f"{count:,} {unit}s are of other splits than the sweep's"
        hint = "train on those that `abl splits` writes"
        problems.append(Problem(f"{more}: {hint}", file=imported.file))
    return problems


def _lacking(imported: _Predictions, found: pd.DataFrame, lost: pd.DataFrame, unit: str) -> Problem:
    first, known = lost.iloc[0], imported.frame["unit"].iloc[0]
    where = ", ".join(f"{key} {first[key]}" for key in KEYS)
    message = (
        f"no prediction for {len(lost):,} of {len(found):,} tests of {unit}s, the first is "
        f"'{first['unit']}' of {where}"
    )
    hint = AlikeNames(imported.frame["unit"]).hint(str(first["unit"]))
    if hint:
        message += f"; in the file {hint}"
    elif len(lost) == len(found):
        message += f"; the file has names like '{known}'"
        how = names_apart(imported.frame["unit"].astype(str), lost["unit"].astype(str))
        message += f", which differ in {how}" if how else ""
        if unit != "image":
            message += f"; to average images over {unit}s give the data with --data"
    return Problem(message, file=imported.file)


def _other_labels(file: str, found: pd.DataFrame, unit: str) -> list[Problem]:
    pairs = found[["said", "label"]].astype(int).drop_duplicates()
    if (pairs["said"] != pairs["label"]).all() and pairs["said"].is_unique and len(pairs) > 1:
        each = ", ".join(f"{said} is {own}" for said, own in sorted(pairs.to_numpy().tolist()))
        message = f"numbers the classes otherwise: its {each} in the sweep; write their names"
        return [Problem(message, file=file)]
    wrong = found[(found["said"] != found["label"]).to_numpy()].drop_duplicates("row")
    problems = [
        Problem(
            f"{unit} '{row['unit']}' has label {int(row['said'])}, in the sweep {row['label']}",
            file=file,
            line=int(row["row"]),
        )
        for row in wrong.head(_MOST_PROBLEMS).to_dict("records")
    ]
    if len(wrong) > _MOST_PROBLEMS:
        problems.append(Problem(f"and {len(wrong) - _MOST_PROBLEMS:,} more labels differ"))
    return problems

"""How tables of publications are written, so that they are read as they are: what names their rows,
and columns that stand for a value of an axis.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from abl.data.tables.rows import Rows
from abl.data.tables.words import same_name
from abl.plan.outcome import Outcome

# columns that say of a row what no arm has
DESCRIBING = ("table", "dataset", "figure", "note")
# counts of a confusion matrix, and of images by class
COUNTS = ("tp", "fn", "fp", "tn", "negatives", "positives")
SET = "set"  # the column that says where an arm was scored
EXTERNAL_ROW = " external"  # how the name of a row ends that is of an external set
# how columns of a metric end that state no mean, and what each is
BESIDE = {
    "_sd": "sd", "_min": "smallest", "_max": "largest",
    "_lo": "low", "_low": "low", "_hi": "high", "_high": "high",
}  # fmt: skip
_OF_NETWORKS = re.compile(r"^[a-z]+[:/]|[^a-z0-9]")


Tested = Callable[[Mapping[str, str]], tuple[float, float] | None]


@dataclass(frozen=True)
class RowTable:
    """A table of a study whose rows are no arms, beside which stated values can stand.

    Attributes:
        keys: Column of the file -> column of our table (as in CSV) that must say the same.
        values: Column of the file -> column of our table, of shares.
        counts: The same of numbers that are shown and not judged.
        size: Column of our table with the images that have a value, of whose share it is one: its
            standard error follows. "" where our columns NAME_low and NAME_high tell it.
        tested: Name of a file of the source's -> how many its shares are of.
        headings: Column of our table -> what it is called before `published`, where it is no
            metric of that name.
    """

    keys: Mapping[str, str]
    values: Mapping[str, str]
    counts: Mapping[str, str] = field(default_factory=dict)
    size: str = ""
    tested: Mapping[str, int] = field(default_factory=dict)
    headings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StatedTables:
    """What a study knows of the tables of its source.

    Attributes:
        words: Axis -> word that a table has for a value -> the value.
        labels: Name of a row -> its values of axes. Names are in small letters.
        label_columns: Columns that hold such names.
        tested: Name of a file of the source's -> row (column -> text) -> images of class 0 and of
            class 1 that it was tested on, where they are known. Other files say it themselves.
        datasets: Words for the data sets of the source, as a column `dataset` and names of sweeps
            have them: a row of another one than the sweep's is not shown beside its arms.
        implied: Name of a file of the source's -> axis -> the value that all of its rows have.
        row_tables: Name of a table of the study's own, as `--show` has it -> how it is matched.
        usual: Axis -> the values that are meant where a table does not name it.
        fixed: Axis of the study that is none of the sweep's -> its value there.
    """

    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    label_columns: tuple[str, ...] = ()
    tested: Mapping[str, Tested] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()
    implied: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    row_tables: Mapping[str, RowTable] = field(default_factory=dict)
    usual: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fixed: Mapping[str, str] = field(default_factory=dict)

    def value(self, axis: str, text: str) -> str:
        """The value of an axis that a word of a table stands for."""
        return self.words.get(axis, {}).get(same_name(text), text)

    def words_of(self, axis: str, outcome: Outcome) -> dict[str, str]:
        """Every word for a value of an axis, in small letters -> as a table may have it."""
        values = {str(arm.params.get(axis, "")) for arm in outcome.arms} - {""}
        return {same_name(word): word for word in (*values, *self.words.get(axis, {}))}


def same_value(axis: str, value: str | int | float, text: str) -> bool:
    """Whether an arm's value is what a table has: numbers by value, networks however spelled."""
    if str(value) == text:
        return True
    if axis == "network":
        return network_name(str(value)) == network_name(text)
    try:
        return float(value) == float(text)
    except ValueError:
        return False


def network_name(text: str) -> str:
    """`Inception-v3`, `inception_v3` and `torchvision:inception_v3` as one."""
    return _OF_NETWORKS.sub("", _OF_NETWORKS.sub("", text.lower(), count=1))


def in_rows(rows: Rows, outcome: Outcome, stated: StatedTables, metrics: Iterable[str]) -> Rows:
    """The rows where each value of an axis has columns of its own (acc_bmode, sd_bmode), one a row.

    Args:
        metrics: Names and labels of metrics, in small letters.
    """
    columns = [str(column) for column in rows.frame.columns]
    axes = [*outcome.axes, *(axis for axis in stated.fixed if axis not in outcome.axes)]
    for axis in axes:
        if axis in columns:
            continue
        words = stated.words_of(axis, outcome)
        found = {word: _columns_of(word, columns, metrics) for word in words}
        found = {word: own for word, own in found.items() if any(own.values())}
        if found:
            taken = {column for own in found.values() for column in own}
            return _one_a_row(rows, axis, found, [each for each in columns if each not in taken])
    return rows


def _columns_of(word: str, columns: Sequence[str], metrics: Iterable[str]) -> dict[str, str]:
    """Column of a word -> what it holds: acc_bmode is acc, acc_bmode_sd and sd_bmode its acc_sd."""
    found = {}
    known = set(metrics)
    for column in columns:
        name = same_name(column)
        part = next((each for each in BESIDE if name.endswith(word + each)), "")
        base = name.removesuffix(part).removesuffix(f"_{word}")
        if base == name or name.removesuffix(part) == base:
            continue
        if base in known:
            found[column] = base + part
    if len(set(found.values())) == 1:
        # one metric alone: `sd_bmode` is of it
        (metric,) = set(found.values())
        for column in columns:
            for part in BESIDE:
                if same_name(column) == f"{part.removeprefix('_')}_{word}":
                    found[column] = metric + part
    return found


def _one_a_row(
    rows: Rows, axis: str, found: Mapping[str, Mapping[str, str]], others: Sequence[str]
) -> Rows:
    parts = []
    for word, own in found.items():
        part = rows.frame[[*others, *own]].rename(columns=dict(own))
        parts.append(part.assign(**{axis: word}))
    frame = pd.concat(parts, ignore_index=True)
    return replace(rows, frame=frame, numbers=[*rows.numbers] * len(parts))

"""Which columns of a manifest are features of its images, and their values in a few words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd

from abl.data.dataset import BOX, ROI, ROI_OF, UNIT_LABEL
from abl.data.manifest import COMPUTED, FRAMES, OURS
from abl.data.tables.words import unknown_words
from abl.errors import nearest, raise_if_any
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.inputs import Workspace
from abl.studies.contract import options_of
from abl.studies.persistent.options import Options

CLASS, UNKNOWN = "class", "not known"
EVERY = "all columns"  # name of the group where none is asked for
MOST_VALUES = 12  # of a text column; and of columns of whole numbers that are taken as they are
MOST_LEVELS = 5  # distinct numbers up to which each is a value of its own
NO_FEATURES = {*OURS, *FRAMES, *COMPUTED, *BOX, *ROI, ROI_OF, UNIT_LABEL, "modality"} - {"centre"}


@dataclass(frozen=True, eq=False)
class Feature:
    """One column as a feature.

    Attributes:
        group, name: As the sweep file and the manifest have them.
        values: Names of its values, those of thirds in their order, what is not known last.
        of_image: (N,) int64 position of each image's value.
    """

    group: str
    name: str
    values: tuple[str, ...]
    of_image: np.ndarray

    @property
    def is_known(self) -> np.ndarray:
        """(N,) bool: whether the image's value is known."""
        unknown = self.values.index(UNKNOWN) if UNKNOWN in self.values else -1
        known: np.ndarray = self.of_image != unknown
        return known


def image_features(
    frame: pd.DataFrame, classes: Sequence[str], asked: Mapping[str, Sequence[str]] | None = None
) -> tuple[list[Feature], list[str]]:
    """The class and the features of a data set, and sentences on columns that are left out.

    By default every column that is no name, path or box and has few values. Numbers are taken in
    thirds of the images.

    Args:
        frame: Rows of the data set.
        classes: Names of labels.
        asked: Group -> columns.
    """
    label = frame["label"].to_numpy(np.int64)
    found = [Feature(CLASS, CLASS, tuple(map(str, classes)), label)]
    groups = asked or {EVERY: [str(name) for name in frame if name not in NO_FEATURES]}
    left: dict[str, list[str]] = {}
    for group, names in groups.items():
        for name in names:
            values = _values(frame[name])
            why = ""
            if isinstance(values, int):
                why = f"more than {MOST_VALUES} values"
            elif len(values[0]) < 2:
                why = "one value"
            elif asked is None and _tells(values[1], label):
                why = "names of the classes"
            if why:
                left.setdefault(why, []).append(name)
            else:
                found.append(Feature(group, name, *values))  # type: ignore[misc]
    said = [f"No features, as they hold {why}: {', '.join(names)}." for why, names in left.items()]
    return found, said


def refuse_unknown_columns(file: SweepFile, sweeps: Iterable[Sweep], workspace: Workspace) -> None:
    """Raises InputError for columns of `options.features` that a data set of the arms lacks."""
    opened = {id(data): data for data in (workspace.data(sweep.data) for sweep in sweeps)}
    asked = options_of(file, Options).features or {}
    faults = [
        fault
        for each in opened.values()
        for fault in column_faults(each.dataset.frame, asked, each.dataset.name)
    ]
    raise_if_any([file.problem(fault, "options", "features") for fault in dict.fromkeys(faults)])


def column_faults(frame: pd.DataFrame, asked: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """What is wrong with the columns that are asked for, of a data set of this name."""
    known = [str(column) for column in frame if column not in NO_FEATURES]
    columns = [column for group in asked.values() for column in group]
    faults = [
        f"options.features: no column '{column}' in {name}: {nearest(column, known)}"
        for column in dict.fromkeys(columns)
        if column not in known
    ]
    twice = sorted({column for column in columns if columns.count(column) > 1})
    return [*faults, *(f"options.features: '{column}' is named twice" for column in twice)]


def _values(column: pd.Series) -> tuple[tuple[str, ...], np.ndarray] | int:
    """Names of values and the position of each image's; the number of values if they are many."""
    texts = column.astype(str).str.strip()
    missing = column.isna() | texts.isin(unknown_words(texts.dropna()))
    numbers = pd.to_numeric(column.where(~missing), errors="coerce").astype(np.float64)
    is_number = bool((numbers.notna() | missing).all()) and not _is_bool(column)
    distinct = numbers.nunique() if is_number else texts[~missing].nunique()
    if is_number and distinct > MOST_LEVELS:
        names, at = _thirds(numbers)
    elif distinct > MOST_VALUES:
        return int(distinct)
    elif is_number:
        levels = np.sort(numbers.dropna().unique())
        names, at = [f"{level:g}" for level in levels], np.searchsorted(levels, numbers)
    else:
        names = sorted(texts[~missing].unique())
        at = pd.Index(names).get_indexer(pd.Index(texts))
    if missing.any():
        at = np.where(missing, len(names), at)
        names = [*names, UNKNOWN]
    return tuple(names), at.astype(np.int64)


def _thirds(numbers: pd.Series) -> tuple[list[str], np.ndarray]:
    """Thirds of the images, ends included in the lower one; fewer where many are equal."""
    ends = np.unique(np.quantile(numbers.dropna(), [1 / 3, 2 / 3], method="inverted_cdf"))
    ends = ends[ends < numbers.max()]
    shown = [f"{end:.4g}" for end in ends]
    names = [f"≤ {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown))]
    at: np.ndarray = np.searchsorted(ends, numbers, side="left")
    return [*names, f"> {shown[-1]}"], at


def _is_bool(column: pd.Series) -> bool:
    return bool(column.map(lambda value: isinstance(value, bool | np.bool_)).any())


def _tells(of_image: np.ndarray, label: np.ndarray) -> bool:
    """Whether a column is the label by other names: a value a class, and a class a value."""
    pairs = np.unique(np.column_stack([of_image, label]), axis=0)
    return len(pairs) == len(np.unique(of_image)) == len(np.unique(label))

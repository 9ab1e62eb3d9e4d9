"""An external set and the sweep's own data: two sets that may share no image."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from abl.data.arrays import ImageArray, image_array
from abl.data.dataset import Dataset
from abl.data.duplicates.near_duplicates import (
    IMAGE2,
    SHOWN,
    column_of,
    image_words,
    near_duplicates_between,
)
from abl.errors import Problem
from abl.spec.data import Data


@dataclass(frozen=True)
class KeptApart:
    """Two data sets that may share no image.

    Attributes:
        external, internal: As an arm sees them.
        data: The internal data block: its `duplicates` says what is done.
        longest_side: Of the external set's decoded images.
    """

    name: str
    external: Dataset
    internal: Dataset
    data: Data
    longest_side: int

    def looked_through(self, cache: Path) -> tuple[list[Problem], str]:
        """What is refused, and the sentence where pairs are only reported; "" if there are none.

        Args:
            cache: Where the images of both lie decoded.
        """
        if self.data.duplicates == "ignore":
            return [], ""
        external = _modalities(self.external, cache, self.longest_side)
        internal = _modalities(self.internal, cache, self.data.longest_side)
        found = [
            near_duplicates_between(one, other).assign(which_a=which, which_b=other_which)
            for which, one in external.items()
            for other_which, other in internal.items()
        ]
        pairs = pd.concat(found, ignore_index=True).sort_values("distance", kind="stable")
        if not len(pairs):
            return [], ""
        if self.data.duplicates == "report":
            pair, lie = ("pair", "lies") if len(pairs) == 1 else ("pairs", "lie")
            between = f"external set {self.name} and the sweep's own data"
            return [], f"{len(pairs)} {pair} of near-duplicate images {lie} across {between}."
        problems = [Problem(self._told(pair)) for pair in pairs.head(SHOWN).itertuples()]
        if len(pairs) > SHOWN:
            problems.append(Problem(f"and {len(pairs) - SHOWN:,} more such pairs"))
        return problems, ""

    def _told(self, pair: Any) -> str:
        labels = [
            each.classes[int(each.frame["label"].iloc[row])]
            for each, row in ((self.external, pair.position_a), (self.internal, pair.position_b))
        ]
        contradict = labels[0] != labels[1]
        said = f" and their labels contradict: {' and '.join(labels)}" if contradict else ""
        return (
            f"external set {self.name}: {image_words(self.external, pair, 'a')} and "
            f"{image_words(self.internal, pair, 'b')} of the sweep's own data are near-duplicates "
            f"({pair.distance} of 256 bits differ){said}; leave one out, or set "
            "data.duplicates: report"
        )


def _modalities(dataset: Dataset, cache: Path, longest_side: int) -> dict[str, ImageArray]:
    """The images of each column that networks see, decoded."""
    plain = replace(dataset.without_boxes(), boxes_of=None)
    found = {column_of(dataset): image_array(plain, cache, longest_side=longest_side)}
    if dataset.second is not None and dataset.pairing != "first":
        second = replace(plain, source=dataset.second)
        found[IMAGE2] = image_array(second, cache, longest_side=longest_side)
    return found

"""What a split never cuts: patients, as a rule, with the classes that they count for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.data.dataset import GROUP, PAIR, TOGETHER
from abl.data.splits.draws import Stratum
from abl.data.splits.groups import PREFIX, kept_together
from abl.data.splits.stable_draws import Holders
from abl.spec.splits import Splits


@dataclass(frozen=True, eq=False)
class SplitGroups:
    """What is never cut.

    Attributes:
        word: patient, nodule or image; group, where these are joined by a column group.
        of_row: Name of the group of each row.
        holders: The groups with their images of each class.
        classes: What the columns of these are.
        draw: How they are counted.
    """

    word: str
    of_row: list[str]
    holders: Holders
    classes: tuple[int, ...]
    draw: int

    @property
    def strata(self) -> list[Stratum]:
        """The groups of each class, by most of their images: how draw 1 counts."""
        names, images = np.array(self.holders.names, dtype=object), self.holders.images
        # the last of equal maxima: a tie goes to the higher class
        majority = images.shape[1] - 1 - images[:, ::-1].argmax(axis=1)
        return [
            Stratum(tuple(names[majority == at]), images[majority == at].sum(axis=1))
            for at in np.unique(majority)
        ]

    @property
    def by_class(self) -> dict[int, int]:
        """Class -> how many groups count for it."""
        images = self.holders.images
        if self.draw == 1:
            majority = images.shape[1] - 1 - images[:, ::-1].argmax(axis=1)
            found, counts = np.unique(majority, return_counts=True)
            return {self.classes[at]: int(n) for at, n in zip(found, counts, strict=True)}
        return {
            each: int(n)
            for each, n in zip(self.classes, self.holders.holds.sum(axis=0), strict=True)
        }

    def named(self, name: str) -> str:
        """A group in words: `patient 'p1'`; `group 'a'` of a column group."""
        if self.word == GROUP and not name.startswith(PREFIX):
            return f"'{name}'"  # a patient or image that has no group
        return f"{self.word} '{name.removeprefix(PREFIX) if self.word == GROUP else name}'"

    def counted(self) -> str:
        """How many there are of each class, for messages."""
        each = ", ".join(f"class {label}: {count}" for label, count in self.by_class.items())
        if self.draw == 1:
            each += ", by most of their images"
        elif (self.holders.holds.sum(axis=1) > 1).any():
            each += f"; a {self.word} of several classes counts for each"
        return f"there are {len(self.holders)} {self.word}s ({each})"


def groups_of(frame: pd.DataFrame, splits: Splits) -> SplitGroups:
    """The groups of a data set that a splits block never cuts."""
    by = splits.by
    # named by the first of each pair, the groups of a mixed set are drawn as those of first images
    of_row = kept_together(frame, PAIR if by == "image" and PAIR in frame else by)
    names, group = np.unique(of_row, return_inverse=True)
    classes, label = np.unique(frame["label"].to_numpy(), return_inverse=True)
    images = np.zeros((len(names), len(classes)), dtype=np.int64)
    np.add.at(images, (group, label), 1)
    holders = Holders(tuple(names), images)
    word = GROUP if TOGETHER in frame else by
    return SplitGroups(word, of_row.tolist(), holders, tuple(classes.tolist()), splits.draw)

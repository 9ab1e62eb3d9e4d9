"""Near-duplicates between an external set and the sweep's own data, refused as across splits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from abl.data.arrays import ImageArray, image_array
from abl.data.dataset import BOX, ROI, Dataset
from abl.data.duplicates import COLUMNS, near_duplicates_between
from abl.errors import Problem
from abl.spec.data import Data

SHOWN = 20  # pairs named in an error


@dataclass(frozen=True)
class KeptApart:
    """Two data sets that may share no image.

    Attributes:
        name: Of the external set.
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
        external = _decoded(self.external, cache, self.longest_side)
        internal = _decoded(self.internal, cache, self.data.longest_side)
        pairs = near_duplicates_between(external, internal).to_dict("records")
        if not pairs:
            return [], ""
        if self.data.duplicates == "report":
            count = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
            lie = "lies" if len(pairs) == 1 else "lie"
            between = f"external set {self.name} and the sweep's own data"
            return [], f"{count} of near-duplicate images {lie} across {between}."
        problems = []
        for pair in pairs[:SHOWN]:
            a = self.external.frame.iloc[pair[COLUMNS[0]]]
            b = self.internal.frame.iloc[pair[COLUMNS[1]]]
            problems.append(
                Problem(
                    f"external set {self.name}: {a['image']} (patient {a['patient']}) and "
                    f"{b['image']} (patient {b['patient']}) of the sweep's own data are "
                    f"near-duplicates ({pair['distance']} of 256 bits differ); leave one out, or "
                    "set data.duplicates: report"
                )
            )
        if len(pairs) > SHOWN:
            problems.append(Problem(f"and {len(pairs) - SHOWN:,} more such pairs"))
        return problems, ""


def _decoded(dataset: Dataset, cache: Path, longest_side: int) -> ImageArray:
    # boxes in the pixels of other images would have these decoded, only to go unread
    boxes = [name for name in (*BOX, *ROI) if name in dataset.frame]
    plain = replace(dataset, frame=dataset.frame.drop(columns=boxes), boxes_of=None)
    return image_array(plain, cache, longest_side=longest_side)

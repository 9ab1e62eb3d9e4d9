"""Values that a publication states, to stand beside the arms they belong to."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from abl.report.labels import counted, one_line
from abl.report.numbers import Scale
from abl.report.tables.model import DIFFERS

Z = 1.959964  # of a two-sided 95 % interval
MOST_LISTED = 60  # rows of a file that are named one by one
CHANCE = 0.05  # of the values that are judged, marked where nothing differs


def own_error(mean: float, low: float, high: float, stated: float) -> float:
    """Standard error of a mean from the end of its 95 % interval that lies towards a stated value.

    Intervals near a bound reach further on one side (Zou, Donner, Statistics in Medicine 2008).
    """
    return abs((high if stated > mean else low) - mean) / Z


@dataclass(frozen=True)
class PublishedValue:
    """A stated mean with what is stated beside it; nan if it is not.

    Attributes:
        source: Where it is stated, "" unsaid.
        smallest, largest: Of several runs.
        low, high: Its interval.
        error: Standard error: the largest that follows from the images it was tested on, its
            interval and its sd.
    """

    mean: float
    sd: float
    source: str
    smallest: float = math.nan
    largest: float = math.nan
    low: float = math.nan
    high: float = math.nan
    error: float = math.nan

    def shown(self, scale: Scale) -> str:
        """`mean ± sd (min, max)` or `mean [low, high]`, or what of it is stated."""
        text = scale.mean_and_sd(self.mean, self.sd)
        if not math.isnan(self.low) and not math.isnan(self.high):
            text += f" {scale.interval(self.low, self.high)}"
        if math.isnan(self.smallest) or math.isnan(self.largest):
            return text
        return f"{text} ({scale.number(self.smallest)}, {scale.number(self.largest)})"


@dataclass(frozen=True)
class Published:
    """What a file states about the arms of an outcome.

    Attributes:
        values: (key of the arm, metric) -> value, shares as fractions.
        notes: What could not be placed, a sentence each.
        apart: (key of the arm, metric) -> difference to ours over its standard error, of values
            that can be judged.
        rows: Each row of the file in a few words, with the keys of its arms.
    """

    file: str
    values: Mapping[tuple[str, str], PublishedValue]
    notes: tuple[str, ...] = ()
    apart: Mapping[tuple[str, str], float] = field(default_factory=dict)
    rows: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def metrics(self) -> frozenset[str]:
        """Metrics with a value beside an arm."""
        return frozenset(metric for _, metric in self.values)

    @property
    def sources(self) -> tuple[str, ...]:
        """The sources that are named, in the order of the file."""
        return tuple(dict.fromkeys(value.source for value in self.values.values() if value.source))

    def differs(self, key: str, metric: str) -> bool:
        """Whether a value differs from ours by more than sampling of both sizes explains."""
        return abs(self.apart.get((key, metric), 0.0)) > Z

    def sentences(self) -> list[str]:
        """What a reader of the table must know of it; the first two sentences are of its values."""
        stated = f" ({self.sources[0]})" if len(self.sources) == 1 else ""
        first = f"Published: as stated in {one_line(self.file)}{stated}; not computed here."
        notes = [f"{first} {self._judged()}"] if self.values else []
        return [*notes, *self.notes]

    def sentences_beside(self, shown: Collection[str]) -> list[str]:
        """The same of another table than that of all arms, with the rows that it has no place for.

        Args:
            shown: Keys of the arms whose values it shows or makes use of.
        """
        said = [each for each in self.sentences() if each.startswith("Published:")]
        lost = [name for name, arms in self.rows if not set(arms) & set(shown)]
        if not lost:
            return said
        more = f"; and {len(lost) - MOST_LISTED} more" if len(lost) > MOST_LISTED else ""
        named = "; ".join(lost[:MOST_LISTED])
        return [*said, f"{one_line(self.file)}: no row here for {named}{more}."]

    def _judged(self) -> str:
        if not self.apart:
            return "None can be judged by its size: no interval, sd or number of images is known."
        differ = sum(abs(each) > Z for each in self.apart.values())
        left = len(self.values) - len(self.apart)
        more = f"; {left} cannot be judged" if left else ""
        by_chance = f"{CHANCE * len(self.apart):.1f}".removesuffix(".0")
        return (
            f"{differ} of {counted(len(self.apart), 'value')} "
            f"{'differs' if differ == 1 else 'differ'} ({DIFFERS}) from ours by more than sampling "
            f"explains, about {by_chance} would by chance{more}. Judged by the difference over the "
            "root of both squared standard errors, above 1.96: ours from the end of its 95 % "
            "interval that lies towards the other, the published one the largest of those that "
            "follow from the images it was tested on, its interval and its sd; images there count "
            "as independent. It tells nothing of why."
        )

"""The options of `abl readers ANSWERS.csv`, checked before a file is read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from abl.data.predictions.prediction_rows import checked_output, same_file
from abl.data.tables.rows import class_name_problems
from abl.decide.agreement import KAPPA_WEIGHTS, KappaWeights
from abl.decide.readers.contrasts import MEAN_SCALES, MeanScale
from abl.decide.readers.error_squares import EFFECTS, Effects
from abl.decide.readers.rater_estimates import (
    COVARIANCE_METHODS,
    READER_STATISTICS,
    CovarianceMethod,
    ReaderStatistic,
)
from abl.errors import Problem, nearest, raise_if_any
from abl.spec.model_faults import share_meant


@dataclass(frozen=True)
class ReadersAsked:
    """What the command was asked.

    Attributes:
        files: Answers, together one study.
        algorithms: Raters of the files that are algorithms.
        predictions: NAME=FILE of predictions, each a further algorithm.
        sweep, root: A sweep whose arms are further algorithms, and the folder of its store.
        sweep_arms: Words of those arms that are wanted; (): all.
        without: Readers that are left out.
        statistics: Of the comparison; None: auc of ratings, sen and spe of answers.
        covariance: Of readers' values over cases.
        effects: What is random in the numbers that come first.
        scale: Of the intervals of means of readers: logit, or plain as most programs print them.
        complete: Whether readers who share only some of their cases are compared on these.
        cutoff: From which on a rating is an answer of the positive class.
        margin: Largest difference that does not matter.
        base: The treatment that others are compared with.
        order: Treatments as they were read, for the protocol.
        washout: Time between them in words, for the protocol.
        classes: Names of the classes 0, 1, ...
        positive: The class that sensitivity, specificity and ratings are of.
        weighted: Weights of kappa by the distance of the classes, which then have an order.
        size: Difference for which readers and cases are counted; with power, readers, cases.
        out: CSV or Parquet file of each reader's numbers.
        as_json: Prints all numbers instead of the text.
    """

    files: Sequence[Path]
    algorithms: Sequence[str] = ()
    predictions: Sequence[str] = ()
    sweep: str | None = None
    root: Path = Path("mlruns")
    sweep_arms: Sequence[str] = ()
    without: Sequence[str] = ()
    statistics: Sequence[str] | None = None
    covariance: CovarianceMethod = "delong"
    effects: Effects = "random"
    scale: MeanScale = "logit"
    complete: bool = False
    cutoff: float | None = None
    margin: float | None = None
    base: str | None = None
    order: Sequence[str] | None = None
    washout: str | None = None
    classes: Sequence[str] | None = None
    positive: str | None = None
    weighted: KappaWeights | None = None
    size: float | None = None
    power: float | None = None
    size_readers: int | None = None
    size_cases: int | None = None
    out: Path | None = None
    as_json: bool = False

    @property
    def arms(self) -> list[tuple[str, Path]]:
        """Name and file of each of the predictions; without NAME= the file's name."""
        found = []
        for each in self.predictions:
            name, equals, path = each.partition("=")
            named = bool(equals and name.strip()) and not Path(each).exists()
            found.append((name.strip(), Path(path)) if named else (Path(each).stem, Path(each)))
        return found

    def check(self) -> None:
        """Raises InputError with every option that is wrong; the files are not read."""
        problems = [
            f"--{option} {word}: {nearest(word, known)}"
            for option, word, known in (
                ("covariance", self.covariance, COVARIANCE_METHODS),
                ("effects", self.effects, EFFECTS),
                ("scale", self.scale, MEAN_SCALES),
                *((("weighted", self.weighted, KAPPA_WEIGHTS),) if self.weighted else ()),
                *(("statistic", each, READER_STATISTICS) for each in self.statistics or ()),
            )
            if word not in known
        ]
        if self.margin is not None and not 0 < self.margin < 1:
            said = f"--margin {self.margin:g}: give a difference between 0 and 1"
            problems.append(said + share_meant(self.margin, "margin"))
        if self.classes is not None:
            problems += class_name_problems(self.classes)
        problems += self._of_size()
        problems += [
            f"--{option}: the sweep {self.sweep} has its own: leave it out"
            for option, given in (("predictions", self.predictions), ("classes", self.classes))
            if self.sweep is not None and given
        ]
        if self.sweep_arms and self.sweep is None:
            problems.append("--arm: is an arm of a sweep: name that with --sweep")
        names = [name for name, _ in self.arms]
        problems += [
            f"--predictions: '{name}' is there twice: name each as NAME=FILE"
            for name in sorted({name for name in names if names.count(name) > 1})
        ]
        read = [*self.files, *(path for _, path in self.arms)]
        if self.out is not None and same_file(self.out, read):
            problems.append(
                f"--out {self.out}: is read too, and would be overwritten: give another name"
            )
        raise_if_any([Problem(each) for each in problems])
        if self.out is not None:
            checked_output(self.out)

    def _of_size(self) -> list[str]:
        further = {"power": self.power, "readers": self.size_readers, "cases": self.size_cases}
        if self.size is None:
            return [
                f"--{name}: belongs to --size DIFFERENCE, which is not there"
                for name, value in further.items()
                if value is not None
            ]
        problems = []
        if not 0 < self.size < 1:
            problems.append(f"--size {self.size:g}: give a difference between 0 and 1")
        if self.power is not None and not 0.05 < self.power < 1:
            problems.append(f"--power {self.power:g}: give a chance between 0.05 and 1")
        return problems

    def chosen(
        self, *, ratings: bool, answers: bool, classes: int, positive: bool
    ) -> tuple[ReaderStatistic, ...]:
        """The statistics to compare, of those that the answers allow.

        Args:
            ratings, answers: Whether readers gave any.
            classes, positive: How many classes there are, and whether one of them is positive.
        """
        if self.statistics is not None:
            return tuple(cast(ReaderStatistic, each) for each in dict.fromkeys(self.statistics))
        found: list[ReaderStatistic] = ["auc"] if ratings and positive else []
        if answers:
            found += ["acc"] if classes > 2 else []
            found += ["sen", "spe"] if positive else []
        return tuple(found)

"""What readers said of cases: one row an answer, with the truth and who the reader is."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from abl.data.annotations.mask_names import natural_order
from abl.errors import InputError

# what an answer is known by; no two rows have the same
ANSWER_KEYS = ("treatment", "session", "reader", "case")


@dataclass(frozen=True, eq=False)
class ReaderAnswers:
    """Answers or ratings of readers on cases.

    Attributes:
        frame: One row an answer, in the order of the files: case, reader, treatment, session,
            patient, experience, comment (str; treatment, session, experience and comment are ""
            where the files have no such column, patient is the case then), truth (float64:
            position of the class; nan where nobody says), answer (float64, likewise, nan where
            missing), rating and confidence (float64, nan where missing). No two rows have the same
            ANSWER_KEYS; a case has one truth and one patient, a reader one experience.
        classes: Names of the classes 0, 1, ...
        notes: What was read otherwise than as it is written, a sentence each.
        positive: Position of the positive class: 1 of two, of more that asked for, or None.
    """

    frame: pd.DataFrame
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()
    positive: int | None = 1

    @property
    def readers(self) -> tuple[str, ...]:
        """Names of readers, in natural order."""
        return _ordered(self.frame["reader"])

    @property
    def treatments(self) -> tuple[str, ...]:
        """Names of treatments, in natural order; ("",) without a column treatment."""
        return _ordered(self.frame["treatment"])

    @property
    def sessions(self) -> tuple[str, ...]:
        """Names of sessions, in natural order; ("",) without a column session."""
        return _ordered(self.frame["session"])

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of cases, in natural order."""
        return _ordered(self.frame["case"])

    @property
    def has_truth(self) -> bool:
        """Whether the truth of the cases is known; it is of all of them or of none."""
        return bool(self.frame["truth"].notna().all())

    @property
    def has_ratings(self) -> bool:
        """Whether there are ratings on a scale of three values or more."""
        return bool(self.frame["rating"].notna().any())

    @property
    def has_answers(self) -> bool:
        """Whether there are answers of one of the classes."""
        return bool(self.frame["answer"].notna().any())

    def against_rest(self, at: int) -> ReaderAnswers:
        """One class, by position, against all others: truth and answer 1 and 0.

        Of two classes itself, if it is the second one.
        """
        if len(self.classes) == 2 and at == 1:
            return self
        frame, name = self.frame.copy(), self.classes[at]
        for column in ("truth", "answer"):
            given = frame[column]
            frame[column] = (given == at).astype(np.float64).where(given.notna())
        return replace(self, frame=frame, classes=(f"not {name}", name), positive=1)

    def of_positive(self) -> ReaderAnswers:
        """The positive class against all others.

        Raises:
            InputError: More than two classes, and none is the positive one.
        """
        if self.positive is None:
            raise InputError(
                f"of {len(self.classes)} classes none is positive: write --positive with one of "
                f"{', '.join(self.classes)}, which is then held against the rest"
            )
        return self.against_rest(self.positive)

    def of_first_session(self) -> ReaderAnswers:
        """The answers of each reader's first session in each treatment."""
        order = {name: at for at, name in enumerate(self.sessions)}
        rank = self.frame["session"].map(order)
        first = rank.groupby([self.frame["treatment"], self.frame["reader"]]).transform("min")
        return replace(self, frame=self.frame[rank == first].reset_index(drop=True))

    def answered_by_cutoff(
        self, cutoff: float, readers: Collection[str] | None = None
    ) -> ReaderAnswers:
        """With the answers that ratings of at least a cut-off are: 1, of lower ones 0.

        Args:
            readers: Whose scale it is of; the answers of others stay. None: all.
        """
        rating, answer = self.frame["rating"], self.frame["answer"]
        mine = self.frame["reader"].isin(self.readers if readers is None else list(readers))
        said = (rating >= cutoff).astype(np.float64).where(rating.notna())
        return replace(self, frame=self.frame.assign(answer=answer.where(~mine, said)))

    def truth_of(self) -> pd.DataFrame:
        """(cases) truth and patient of each case, indexed by its name, in natural order."""
        once = self.frame.drop_duplicates("case").set_index("case")
        return once.loc[list(self.cases), ["truth", "patient"]]

    def table(self, column: str, treatment: str) -> pd.DataFrame:
        """(cases, readers) float64 of a column, rating or answer, in one treatment's first session.

        Cases and readers are all of these answers, in natural order; nan where there is none.
        """
        first = self.of_first_session().frame
        rows = first[first["treatment"] == treatment]
        wide = rows.pivot(index="case", columns="reader", values=column)
        return wide.reindex(index=list(self.cases), columns=list(self.readers)).astype(np.float64)


def distinct_values(values: pd.Series) -> NDArray[np.float64]:
    """The distinct numbers of a column, sorted; missing ones are none."""
    return np.unique(values.dropna().to_numpy(dtype=np.float64))


def _ordered(names: pd.Series) -> tuple[str, ...]:
    return tuple(sorted(names.unique().tolist(), key=natural_order))

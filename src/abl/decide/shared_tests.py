"""The test sets that arms of a table share: who is in them, looked through once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from abl.decide.check import Ints
from abl.decide.replicates import Lasting, Patients, Scores, patients_of


@dataclass(frozen=True, eq=False)
class SharedTests(Lasting):
    """The tests that arms share.

    Attributes:
        replicates: R of them, of any of the arms: labels and patients.
        patients: Of all replicates.
        present: (R) positions in `patients` of each replicate's patients.
        local: (R) (N,) position in `present` of each image's patient.
    """

    replicates: Sequence[Scores]
    patients: Patients
    present: Sequence[Ints]
    local: Sequence[Ints]

    @classmethod
    def of(cls, replicates: Sequence[Scores]) -> SharedTests:
        """Of an arm's replicates, in the order of their keys.

        The arms of a table share their tests: those asked for last are found again.
        """
        global _recent
        found = next((each for each in _recent if each._are_of(replicates)), None)
        if found is None:
            found = cls._made(replicates)
            _recent = (found, *_recent[: _MOST_RECENT - 1])
        return found

    def _are_of(self, replicates: Sequence[Scores]) -> bool:
        return [each.key for each in self.replicates] == [each.key for each in replicates] and all(
            one.is_of_the_same_images(other)
            for one, other in zip(self.replicates, replicates, strict=True)
        )

    def positions(self, at: int) -> Ints:
        """(N,) position in `patients` of each image's patient, in replicate `at`."""
        return self.present[at][self.local[at]]

    @classmethod
    def _made(cls, replicates: Sequence[Scores]) -> SharedTests:
        patients = patients_of(replicates)
        found = [np.unique(patients.positions(each), return_inverse=True) for each in replicates]
        return cls(replicates, patients, [each for each, _ in found], [each for _, each in found])

    @property
    def classes(self) -> int:
        return self.replicates[0].p.shape[1]


_MOST_RECENT = 4
_recent: tuple[SharedTests, ...] = ()

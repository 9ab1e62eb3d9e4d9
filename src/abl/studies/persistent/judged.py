"""What the test predictions of a finished sweep say of each image: the rows behind the counts.

Labels are those that training sees. Where some were flipped on purpose these are the wrong ones,
as in a set of one's own, while the table scores networks by the true ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Bools, Ints
from abl.decide.decision import TIE_RULE
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.spec.sweep import Sweep
from abl.stages.flag import called_at, training_part
from abl.stages.inputs import OpenData, Workspace
from abl.studies.persistent.options import PLAIN
from abl.studies.shared.activations import ACTIVATIONS, KeptMaps
from abl.studies.shared.analysis import units_of
from abl.studies.shared.predictions import Predictions
from abl.studies.shared.single_network import CUTOFF, ROLE


@dataclass(frozen=True, eq=False)
class PlainArms:
    """The arms of one data set that leave no image out, with their predictions.

    Attributes:
        name: Of the data set, with what tells it from the sweep's others.
        opened: The data set.
        networks: Position of an arm -> its network, as tables call it.
        rows: One an (image, network, run): image, label, patient, network, run (repeat, fold and
            seed in a word), called, cutoff, p_0, p_1, ....
        images: image, label, patient of the whole set.
        trained: Network -> (images,) trainings that had the image in their training part.
        flipped: (images,) whether the label was flipped on purpose; None where that is not known.
    """

    name: str
    opened: OpenData
    networks: Mapping[int, str]
    rows: pd.DataFrame
    images: pd.DataFrame
    trained: Mapping[str, Ints]
    flipped: Bools | None


class ArmRows:
    """Test predictions of the arms of a finished sweep, with the labels that training sees.

    Args:
        sweeps: The sweep as each arm sees it, without external centres.
    """

    def __init__(self, plan: Plan, workspace: Workspace, sweeps: Sequence[Sweep], outcome: Outcome):
        self._plan, self._workspace, self._sweeps = plan, workspace, sweeps
        self._outcome, self._cells = outcome, plan.cells_by_arm()
        self._predictions = Predictions(workspace.store)

    def excluded(self, at: int) -> str:
        """What an arm leaves out."""
        return str(self._plan.arms[at].params.get("excluded", PLAIN))

    def key(self, at: int) -> str:
        """Of an arm's row in the table."""
        return self._outcome.arms[at].key

    def network(self, at: int) -> str:
        """An arm in a few words, without its data and what it leaves out."""
        params = self._outcome.arms[at].params
        words = [
            str(value) if isinstance(value, str) else f"{axis} {value}"
            for axis, value in params.items()
            if axis != "excluded" and not axis.startswith("data.") and value != ""
        ]
        return " · ".join(words) or self._sweeps[at].train.network

    def of(self, at: int) -> pd.DataFrame:
        """The rows of an arm, as PlainArms has them."""
        sweep = self._sweeps[at]
        opened, cutoffs = self._workspace.data(sweep.data), _cutoffs(self._outcome, at)
        images = training_part(opened.dataset.frame)
        place, network, parts = pd.Index(images["image"]), self.network(at), []
        for cell in self._cells[at]:
            key = cell.replicate
            split = opened.split(sweep.splits, key.repeat, key.fold)
            units = units_of(opened.dataset.frame, split.test, "image")
            p = self._predictions.of(cell.uses[ROLE], "test", units)
            cutoff = cutoffs[key.repeat, key.fold, key.seed]
            columns: dict[str, Any] = {f"p_{each}": p[:, each] for each in range(p.shape[1])}
            parts.append(
                images.iloc[place.get_indexer(units.names)].assign(
                    network=network, run=str(key), called=called_at(p, cutoff), cutoff=cutoff,
                    **columns,
                )
            )  # fmt: skip
        return pd.concat(parts, ignore_index=True)

    def by_data(self) -> list[list[int]]:
        """Positions of the arms of each data set, in order; those without numbers left out."""
        found: dict[str, list[int]] = {}
        for at, row in enumerate(self._outcome.arms[: len(self._sweeps)]):
            if not row.failed:
                found.setdefault(self._sweeps[at].data.model_dump_json(), []).append(at)
        return list(found.values())

    def plain(self, arms: Sequence[int]) -> PlainArms | None:
        """Of the arms of one data set those that leave nothing out; None if there are none."""
        plain = [at for at in arms if self.excluded(at) == PLAIN]
        if not plain:
            return None
        sweep = self._sweeps[plain[0]]
        opened = self._workspace.data(sweep.data)
        frame = opened.dataset.frame
        wrong = frame["label"].to_numpy() != frame["train_label"].to_numpy()
        varied = [
            f"{axis.rpartition('.')[2]} {value}"
            for axis, value in self._outcome.arms[plain[0]].params.items()
            if axis.startswith("data.")
        ]
        name = ", ".join([opened.dataset.name, *varied])
        return PlainArms(
            name,
            opened,
            {at: self.network(at) for at in plain},
            pd.concat([self.of(at) for at in plain], ignore_index=True),
            training_part(frame),
            {self.network(at): self._trained(at, opened) for at in plain},
            wrong if sweep.data.phantom is not None else None,
        )

    def training_sets(self, arms: Sequence[int], opened: OpenData) -> Bools:
        """(R, N) whether each training part of these arms, once each, holds each image."""
        keys = {
            (self._sweeps[at].splits, cell.replicate.repeat, cell.replicate.fold): None
            for at in arms
            for cell in self._cells[at]
        }
        held = np.zeros((len(keys), len(opened.dataset)), dtype=np.bool_)
        for row, key in zip(held, keys, strict=True):
            row[opened.split(*key).train] = True
        return held

    def sweep(self, at: int) -> Sweep:
        """The sweep as an arm sees it."""
        return self._sweeps[at]

    def maps(self, at: int) -> list[KeptMaps]:
        """Class activation maps of an arm's trainings, those that there are."""
        digests = [self._plan.beside_of(ACTIVATIONS, cell.uses[ROLE]) for cell in self._cells[at]]
        return [KeptMaps(self.store, each) for each in digests if each and self.store.has(each)]

    def trainings(self, arms: Sequence[int]) -> list[str]:
        """Digests of the trainings of these arms, each once."""
        return list(dict.fromkeys(cell.uses[ROLE] for at in arms for cell in self._cells[at]))

    @property
    def store(self) -> Store:
        """Where they lie."""
        return self._workspace.store

    @property
    def workspace(self) -> Workspace:
        """What the sweep was planned with."""
        return self._workspace

    def _trained(self, at: int, opened: OpenData) -> Ints:
        counts = np.zeros(len(opened.dataset), dtype=np.int64)
        for cell in self._cells[at]:
            key = cell.replicate
            counts[opened.split(self._sweeps[at].splits, key.repeat, key.fold).train] += 1
        return counts


def _cutoffs(outcome: Outcome, at: int) -> dict[tuple[int, int, int], float]:
    table = outcome.arms[at].replicates
    given = table[CUTOFF] if CUTOFF in table else np.full(len(table), TIE_RULE)
    keys = zip(table["repeat"], table["fold"], table["seed"], strict=True)
    return {
        (int(repeat), int(fold), int(seed)): float(cutoff)
        for (repeat, fold, seed), cutoff in zip(keys, given, strict=True)
    }

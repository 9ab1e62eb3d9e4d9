"""Arms without some training images: which images leave is decided inside each training part.

Flags come from an inner Monte Carlo, so that neither a label nor an image of the outer test set has
a part in them, and the outer test set keeps every image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from abl.plan.graph import Arm, Replicate
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.flag import inner_subset
from abl.stages.select import FLIPPED
from abl.stages.train import Trainings
from abl.studies.contract import options_of
from abl.studies.persistent.options import BY_FLAGS, PLAIN, Options
from abl.studies.shared.single_network import TrainedBy


class ExclusionArms:
    """Trains the arms of a sweep on what is left of their training parts.

    Args:
        arms, sweeps: In one order.
        trainings: Makes the stages of a sweep.
    """

    def __init__(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ):
        self._own = [trainings(sweep) for sweep in sweeps]
        self._excluded = [str(arm.params.get("excluded", PLAIN)) for arm in arms]
        self._options = [options_of(replace(file, sweep=sweep), Options) for sweep in sweeps]
        self._panels: dict[str, list[Trainings]] = {}
        self._keys = [_data_of(sweep) for sweep in sweeps]
        seen: set[str] = set()
        for own, key in zip(self._own, self._keys, strict=True):
            trained = key + own.sweep.train.model_dump_json() + own.sweep.image.model_dump_json()
            if trained not in seen:
                seen.add(trained)
                self._panels.setdefault(key, []).append(own)

    @property
    def trained(self) -> TrainedBy:
        """Position of an arm, replicate -> digest of its network."""
        return self._train

    def _train(self, at: int, replicate: Replicate) -> str:
        own, what = self._own[at], self._excluded[at]
        if what == PLAIN:
            return own.train(replicate)
        subset: dict[str, Any] = {"kind": "without", "what": what}
        if what == FLIPPED:
            subset["images"] = _flipped(own, replicate)
        select = self._flag(at, replicate) if what in BY_FLAGS else None
        return own.train(replicate, subset=subset, select=select)

    def _flag(self, at: int, replicate: Replicate) -> str:
        own, options = self._own[at], self._options[at]
        inner = options.inner
        panel = [own] if inner.networks == "own" else self._panels[self._keys[at]]
        settings = {
            "test": inner.test,
            "rule": asdict(options.rule),
            "cutoff": options.chosen_by(own.sweep),
            **({} if options.posterior is None else {"posterior": options.posterior}),
        }
        subsets = [
            inner_subset(inner.test, n, replicate, own.inner_draw) for n in range(inner.splits)
        ]
        networks = [[each.train(replicate, subset=subset) for subset in subsets] for each in panel]
        return own.flag(replicate, networks, settings)


def _data_of(sweep: Sweep) -> str:
    """What networks must have in common for their errors to be of the same images and parts."""
    return sweep.data.model_dump_json() + sweep.splits.model_dump_json()


def _flipped(own: Trainings, replicate: Replicate) -> str:
    """Digest of the training images whose label was flipped: true labels are not in what a
    training reads.
    """
    split = own.opened.split(own.sweep.splits, replicate.repeat, replicate.fold)
    part = own.opened.dataset.frame.iloc[split.train]
    wrong = part["label"].to_numpy() != part["train_label"].to_numpy()
    names = sorted(np.asarray(part["image"].to_numpy()[wrong], dtype=str).tolist())
    return hashlib.sha256("\n".join(names).encode()).hexdigest()

"""The view and split of a stage, kept from one small stage of a replicate to the next.

A sweep over sets of networks has hundreds of stages that take some milliseconds and read the same
rows; opening and dividing them takes longer than that.
"""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np

from abl.data.splits.splits import Split, inner_folds
from abl.data.views import View
from abl.decide.check import Ints
from abl.record.store import Store
from abl.spec.splits import SharedSplits, Splits
from abl.stages.embed import embedding_of
from abl.stages.inputs import split_of_stage, view_of
from abl.stages.kind import Work

_KEPT = 8  # replicates that a process has open
_opened: OrderedDict[tuple[str, ...], OpenedReplicate] = OrderedDict()
_lock = threading.Lock()  # the driver runs small stages in a thread beside others


@dataclass(frozen=True, eq=False)
class OpenedReplicate:
    """Rows of a replicate, which nobody changes.

    Attributes:
        view, split: As `view_of` and `split_of_stage` give them.
    """

    view: View
    split: Split
    _splits: Splits
    _folds: dict[int, Ints] = field(default_factory=dict)
    _embeddings: dict[str, np.ndarray] = field(default_factory=dict)

    def inner_folds(self, count: int) -> Ints:
        """The fold of each training row. Raises InputError as the function of this name."""
        if count not in self._folds:
            rows = self.split.train
            self._folds[count] = inner_folds(self.view.frame, rows, self._splits, count)
        return self._folds[count]

    def embedding(self, store: Store, digest: str) -> np.ndarray:
        """As `embedding_of`, of the view's rows. Raises StageError likewise."""
        if digest not in self._embeddings:
            self._embeddings[digest] = embedding_of(store, digest, self.view)
        return self._embeddings[digest]


def opened_replicate(work: Work) -> OpenedReplicate:
    """What a stage of a replicate reads; its rows are checked when they are opened.

    Raises:
        StageError: As view_of and split_of_stage.
    """
    context = work.stage.context
    which = [context["splits"], context["repeat"], context["fold"]]
    # a view's key and the fingerprint of what is read say all that is in the rows
    key = (
        str(work.store.cache), str(context["view"]), work.stage.reads,
        json.dumps(which, sort_keys=True),
    )  # fmt: skip
    with _lock:
        if key not in _opened:
            view = view_of(work)
            splits = SharedSplits.model_validate(context["splits"])
            _opened[key] = OpenedReplicate(view, split_of_stage(work, view), splits)
        _opened.move_to_end(key)
        while len(_opened) > _KEPT:
            _opened.popitem(last=False)
        return _opened[key]

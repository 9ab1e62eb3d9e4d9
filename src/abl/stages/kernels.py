"""The `kernels` stage: inner products of one network's features, scaled on a training part.

A fit of any subset of networks composes its kernel from these.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np

from abl.decide.classifiers.kernels import ComposedKernels, Products, products_of
from abl.decide.classifiers.one_thread import one_thread
from abl.plan.graph import Replicate
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.spec.splits import Splits
from abl.stages.inputs import OpenData, replicate_context
from abl.stages.kind import Work, kind, stage_of
from abl.stages.opened_replicate import opened_replicate

_INNER, _SQUARES, _COLUMNS = "inner.npy", "squares.npy", "columns.npy"
_ROOM = 2**28  # bytes of composed kernels that a process keeps
_composed: OrderedDict[tuple[tuple[str, str], ...], ComposedKernels] = OrderedDict()
_lock = threading.Lock()


def kernels_stage(
    opened: OpenData,
    splits: Splits,
    view: str,
    replicate: Replicate,
    embeddings: Sequence[str],
    name: str,
    scale: str,
) -> Stage:
    """The stage of one network's inner products on a split.

    Args:
        embeddings: Digests of the images' features, then of their flipped copies'.
        name: Of the layer, for people.
        scale: As of `products_of`.
    """
    return stage_of(
        "kernels",
        {} if scale == "network" else {"scale": scale},
        inputs={f"features_{at}": digest for at, digest in enumerate(embeddings)},
        reads=opened.reads(splits, replicate.repeat, replicate.fold),
        context={"view": view, **replicate_context(splits, replicate)},
        label=f"kernels of {name} r{replicate.repeat} f{replicate.fold}",
    )


@kind("kernels", version=1)
def kernels(work: Work) -> dict[str, Any]:
    """Writes inner.npy, squares.npy (float64) and columns.npy (int64): see `Products`."""
    replicate = opened_replicate(work)
    view, split = replicate.view, replicate.split
    features = [
        replicate.embedding(work.store, work.stage.inputs[f"features_{at}"])
        for at in range(len(work.stage.inputs))
    ]
    with one_thread():  # several threads add up in another order
        found = products_of(features, split.train, work.stage.settings.get("scale", "network"))
    for name, array in zip(
        (_INNER, _SQUARES, _COLUMNS), (found.inner, found.squares, found.columns), strict=True
    ):
        np.save(work.out / name, array, allow_pickle=False)
    return {"images": len(view.frame), "training_images": len(split.train)}


def composed_kernels(store: Store, digests: Sequence[str]) -> ComposedKernels:
    """The kernels of some networks' features, from what their kernels stages have kept.

    They stay in memory for the next classifier of the same networks, while there is room.
    """
    key = tuple(store.content(digests).items())  # of what was computed anew nothing old is taken
    with _lock:
        if key in _composed:
            _composed.move_to_end(key)
            return _composed[key]
    found = ComposedKernels([_kept_products(store, digest) for digest in digests])
    with _lock:
        _composed[key] = found
        while len(_composed) > 1 and sum(each.bytes for each in _composed.values()) > _ROOM:
            _composed.popitem(last=False)
    return found


def _kept_products(store: Store, digest: str) -> Products:
    """What a kernels stage has kept; inner products stay on the disk until they are used."""
    inner, squares, columns = (
        np.load(store.file(digest, name), mmap_mode="r") for name in (_INNER, _SQUARES, _COLUMNS)
    )
    return Products(inner, np.asarray(squares), np.asarray(columns))

"""Recorded predictions, read once each and brought into the order of a replicate's images."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abl.decide.check import Floats, largest_class
from abl.errors import InputError
from abl.plan.stage import PREDICTIONS
from abl.record.store import Store
from abl.studies.shared.analysis import Units


class Predictions:
    """Final probabilities of trained networks, by digest and split role."""

    def __init__(self, store: Store):
        self._store = store
        self._read: dict[str, dict[str, pd.DataFrame]] = {}

    def of(self, digest: str, role: str, units: Units) -> Floats:
        """Probabilities (U, K) of a network, the mean over the images of each unit.

        Raises:
            StageError: The predictions are damaged.
            KeyError: An image has no prediction.
        """
        if digest not in self._read:
            frame = pd.read_parquet(self._store.file(digest, PREDICTIONS))
            columns = [name for name in frame.columns if name.startswith("p_")]
            self._read[digest] = {
                str(each): rows.set_index("image")[columns]
                for each, rows in frame.groupby("role", observed=True)
            }
        by_role = self._read[digest]
        if not len(units.images):  # no file has rows of a part that its split leaves empty
            return np.zeros((0, len(next(iter(by_role.values())).columns)))
        found = by_role[role].loc[units.images]
        return units.mean(found.to_numpy(dtype=np.float64))


# each holds the columns of one file; more threads than this wait for the disk and for Python
MOST_THREADS = 8

Found = TypeVar("Found")


def predicting(store: Store, digests: Iterable[str]) -> list[str]:
    """Those finished stages that keep predictions, in the order given."""
    known = ((digest, store.done(digest)) for digest in digests)
    return [digest for digest, done in known if done is not None and PREDICTIONS in done.files]


def image_history(store: Store, networks: Sequence[str], image: str) -> pd.DataFrame:
    """What every network said of one image.

    Args:
        networks: Digests of stages that keep predictions, see `predicting`.
        image: Its id.

    Returns:
        network (str, the digest), role (str: train, validation, test or external), p_0, p_1, ...
        (float64, mean over epochs of the softmax; NaN for classes that a network does not know).
        One row a network and role, in the order of `networks`; none where no network knows it.

    Raises:
        StageError: A file is damaged, or not in the store.
    """

    def read(digest: str) -> pa.Table | None:
        file = pq.ParquetFile(store.file(digest, PREDICTIONS))
        images = file.read(["image"], use_threads=False)["image"]
        rows = pc.indices_nonzero(pc.equal(images, image))
        if not len(rows):
            return None
        found = file.read(["role", *_p_columns(file.schema_arrow)], use_threads=False).take(rows)
        role = found["role"].cast(pa.string())
        network = pa.array([digest] * len(rows), pa.string())
        return found.set_column(0, "role", role).add_column(0, "network", network)

    nothing = pa.table({"network": pa.array([], pa.string()), "role": pa.array([], pa.string())})
    found = [table for table in _read_each(networks, read) if table is not None]
    # a class that a network does not know is null there, which becomes NaN
    whole = pa.concat_tables([nothing, *found], promote_options="default")
    ordered = whole.select(["network", "role", *_p_columns(whole.schema)])
    frame: pd.DataFrame = ordered.to_pandas()
    return frame.astype({"network": "str", "role": "str"})


def misclassified(
    store: Store, networks: Sequence[str], labels: pd.Series, roles: Sequence[str] = ("test",)
) -> pd.DataFrame:
    """F_j: in how many of the networks each image is misclassified.

    A network's class is the one of the largest averaged probability; a tie goes to the higher.

    Args:
        networks: Digests of stages that keep predictions, see `predicting`.
        labels: (N,) class of each image, 0 .. K - 1; the index is image ids, each once.
        roles: Predictions that count.

    Returns:
        (N,) rows with the index of `labels`: networks (int64, that predict the image in one of
        these roles), wrong (int64, of them those that misclassify it). Predictions of images
        without a label are left out.

    Raises:
        InputError: An image has two labels.
        StageError: A file is damaged, or not in the store.
    """
    if not labels.index.is_unique:
        twice = labels.index[labels.index.duplicated()][0]
        raise InputError(f"image '{twice}' has more than one label")
    # of plain strings: an index of Arrow's would be turned into them at each look-up
    index = pd.Index(labels.index.to_numpy(dtype=object), dtype=object)
    index.get_indexer(index[:1])  # its hash table is made here, not in several threads
    truth = labels.to_numpy()
    counted, wrong = (np.zeros(len(labels), dtype=np.int64) for _ in range(2))
    lock = threading.Lock()

    def count(digest: str) -> None:
        file = pq.ParquetFile(store.file(digest, PREDICTIONS))
        names = _p_columns(file.schema_arrow)
        table = file.read(["image", "role", *names], use_threads=False)
        table = table.filter(_in_roles(table["role"], roles))
        at = index.get_indexer(table["image"].to_numpy())
        known = at >= 0
        p: Floats = np.stack([table[name].to_numpy() for name in names], axis=1)[known]
        where = at[known]
        missed = largest_class(p) != truth[where]
        seen, failed = (np.bincount(each, minlength=len(truth)) for each in (where, where[missed]))
        with lock:
            np.add(counted, seen, out=counted)
            np.add(wrong, failed, out=wrong)

    _read_each(networks, count)
    return pd.DataFrame({"networks": counted, "wrong": wrong}, index=labels.index)


def _in_roles(column: pa.ChunkedArray, roles: Sequence[str]) -> pa.ChunkedArray:
    counted = pa.array(roles, pa.string())
    if not pa.types.is_dictionary(column.type):
        return pc.is_in(column, value_set=counted)
    # four words, not one for each row
    chunks = [pc.is_in(c.dictionary, value_set=counted).take(c.indices) for c in column.chunks]
    return pa.chunked_array(chunks, pa.bool_())


def _p_columns(schema: pa.Schema) -> list[str]:
    names = [name for name in schema.names if name.startswith("p_")]
    return sorted(names, key=lambda name: int(name.removeprefix("p_")))


def _read_each(networks: Sequence[str], read: Callable[[str], Found]) -> list[Found]:
    """What `read` gives of each, in order; Parquet is decoded outside Python's lock."""
    threads = min(MOST_THREADS, len(os.sched_getaffinity(0)))
    with ThreadPoolExecutor(threads, thread_name_prefix="predictions") as pool:
        return list(pool.map(read, networks))

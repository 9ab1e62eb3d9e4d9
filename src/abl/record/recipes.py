"""What every finished stage was made of, in one table: an index below the store.

It only repeats what `DONE.json` of each stage says. Rows that it lacks are read and added, those of
stages that have gone are left out, and a table that is damaged is made again; who cannot write it
does without. Of two processes that write it one wins, and the other's rows are read anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from abl.plan.stage import Stage, canonical_json, flattened, shape_of
from abl.record.done import Done
from abl.record.store import Store
from abl.scratch import written_whole

VERSION = 1  # of the table
_WORDS = pa.dictionary(pa.int32(), pa.string())  # few distinct ones, compared as numbers
_JSON = ("settings", "inputs", "seed", "context")  # canonical
_COLUMNS = (*_JSON, "kind", "reads", "label", "shape")
SCHEMA = pa.schema(
    {"digest": pa.string(), "version": pa.int64(), "seconds": pa.float64()}
    | dict.fromkeys(_COLUMNS, _WORDS)
)
WORTH_WRITING = 200  # fewer stages are read as fast as the table
MOST_SHAPES = 20_000  # that a stage is compared with; of more, those that came last
MOST_DIFFERING = 6  # settings; what differs in more is not near
MOST_TIES = 50
FAR = 999
NOT_DIVIDED = -1
CONTEXT = ("view", "splits", "repeat", "fold")  # what says how the images were divided

_known: WeakKeyDictionary[Store, pa.Table] = WeakKeyDictionary()


def recipes_of(store: Store) -> Recipes:
    """The finished stages of a store; opens a file of those alone that the table lacks."""
    digests = set(store.digests())
    if not digests:
        return Recipes(_table([]))
    path = _place(store)
    table = _known[store] if store in _known else _read(path)
    rows = table["digest"].to_pylist()
    if not digests.issuperset(rows):
        table = table.filter(pa.array([digest in digests for digest in rows]))
    read = [_row(done) for _, done in sorted(store.known(digests.difference(rows)).items())]
    if read:
        table = pa.concat_tables([table, _table(read)]).unify_dictionaries().combine_chunks()
    _known[store] = table
    if len(read) >= WORTH_WRITING:
        with suppress(OSError):  # a full disk, or one that is only read
            _write(path, table)
    return Recipes(table)


def _place(store: Store) -> Path:
    # one folder may keep copies of several object stores
    of = hashlib.sha256(store.address.get("url", "").encode()).hexdigest()[:8]
    return store.root / "index" / f"recipes-{VERSION}-{of}.parquet"


def _row(done: Done) -> dict[str, Any]:
    context = done.stage.get("context", {})
    said = {"settings": {}, "inputs": {}, "seed": None, **done.stage}
    said["context"] = {name: context[name] for name in CONTEXT if name in context}
    return {
        **{name: canonical_json(said[name]) for name in _JSON},
        **{name: str(said.get(name, "")) for name in ("kind", "reads", "label")},
        "shape": shape_of(str(said.get("kind", "")), said["settings"]),
        "digest": done.digest,
        "version": int(said.get("version", 0)),
        "seconds": float(done.facts.get("seconds", 0)),
    }


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _read(path: Path) -> pa.Table:
    try:
        return pq.read_table(path, page_checksum_verification=True).cast(SCHEMA)
    except (OSError, ValueError, pa.ArrowException):  # not there, or damaged
        return _table([])


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        pq.write_table(table, part, compression="zstd", write_page_checksum=True)


class Recipes:
    """Finished stages by what they were made of, in columns of numbers.

    Args:
        table: Of SCHEMA, a row a stage, in the order in which they came.
    """

    def __init__(self, table: pa.Table):
        self._table = table
        self._rows = {digest: row for row, digest in enumerate(table["digest"].to_pylist())}
        self._differing: dict[str, np.ndarray] = {}

    def seconds(self, kinds: Collection[str]) -> list[tuple[str, str, float]]:
        """(kind, shape, seconds) of each finished stage of these kinds."""
        columns = []
        for name in ("kind", "shape") if self._rows else ():
            codes, code = self._codes[name]
            words = list(code)
            columns.append([words[at] for at in codes.tolist()])
        rows = zip(*columns, self._table["seconds"].to_pylist(), strict=True)
        return [row for row in rows if row[0] in kinds]

    def stage(self, digest: str) -> Stage | None:
        """One of them, None if it is not there."""
        return self._stage(self._rows[digest]) if digest in self._rows else None

    def nearest(self, stage: Stage, inputs: Mapping[str, str]) -> Stage | None:
        """The one of its kind that differs least, None if all differ in many settings.

        Args:
            inputs: Of the stage; where one is to be computed, what was nearest to it.
        """
        if not self._rows:
            return None
        if stage.shape not in self._differing:
            self._differing[stage.shape] = self._settings_differing(stage)
        settings = self._differing[stage.shape][self._shapes.of_row]
        # as many as settings and seeds that differ; versions, inputs and splits tell equals apart
        differing = 10 * settings
        for weight, name, word in (
            (8, "seed", canonical_json(stage.seed)),
            (8, "reads", stage.reads),
            (4, "inputs", canonical_json(dict(inputs))),
        ):
            differing += np.int16(weight) * self._unlike(name, word)
        differing += np.int16(2) * (self._replicates != _replicate(stage.context))
        differing += self._versions != stage.version
        # what is trained on everything stands beside nothing that is trained on a part
        is_divided = _replicate(stage.context) != NOT_DIVIDED
        others = self._unlike("kind", stage.kind) | (
            (self._replicates != NOT_DIVIDED) != is_divided
        )
        differing[others] = np.iinfo(np.int16).max
        # of equals the one that came last, or is read from the same stages
        ties = np.flatnonzero(differing == differing.min())[-MOST_TIES if inputs else -1 :]
        found = [self._stage(int(row)) for row in ties[::-1]]
        if settings[ties[0]] > MOST_DIFFERING or others[ties[0]]:
            return None
        return max(found, key=lambda old: len(old.inputs.items() & inputs.items()))

    def _stage(self, row: int) -> Stage:
        (values,) = self._table.slice(row, 1).to_pylist()
        read = {
            each: json.loads(values[each]) for each in ("settings", "inputs", "seed", "context")
        }
        given = {each: values[each] for each in ("kind", "version", "reads", "label")}
        return Stage(**given, **read)

    def _settings_differing(self, stage: Stage) -> np.ndarray:
        """int16 (shapes,): in how many settings each differs, FAR where it was not looked at."""
        shapes, mine = self._shapes, _tokens(stage.settings)
        found = np.full(len(shapes.code), FAR, dtype=np.int16)
        is_mine = np.zeros(len(shapes.token), dtype=np.int16)
        is_mine[[shapes.token[t] for pair in mine for t in pair if t in shapes.token]] = 1
        # a setting of both counts twice here, one of another value once
        shared = np.add.reduceat(is_mine[shapes.tokens], shapes.starts)
        found[-len(shapes.sizes) :] = len(mine) + shapes.sizes - shared
        if stage.shape in shapes.code:
            found[shapes.code[stage.shape]] = 0
        return found

    @cached_property
    def _codes(self) -> dict[str, tuple[np.ndarray, dict[str, int]]]:
        """Name of a column of words -> the number of each row's word, and word -> number."""
        found = {}
        for name in ("kind", "shape", "seed", "reads", "inputs", "context"):
            column = self._table[name].unify_dictionaries().combine_chunks()
            words = column.dictionary.to_pylist()
            found[name] = column.indices.to_numpy(), {word: at for at, word in enumerate(words)}
        return found

    def _unlike(self, name: str, word: str) -> np.ndarray:
        codes, code = self._codes[name]
        return codes != code.get(word, -1)

    @cached_property
    def _versions(self) -> np.ndarray:
        return self._table["version"].to_numpy()

    @cached_property
    def _replicates(self) -> np.ndarray:
        codes, code = self._codes["context"]
        return np.array([_replicate(json.loads(text)) for text in code])[codes]

    @cached_property
    def _shapes(self) -> _Shapes:
        return _Shapes(self._table, *self._codes["shape"])


class _Shapes:
    """The settings of finished stages as tokens, each distinct one once."""

    def __init__(self, table: pa.Table, codes: np.ndarray, code: Mapping[str, int]):
        there, first, self.of_row = np.unique(codes, return_index=True, return_inverse=True)
        words = list(code)
        self.code = {words[number]: at for at, number in enumerate(there)}
        texts = table["settings"].take(pa.array(first[-MOST_SHAPES:])).to_pylist()
        each = [_tokens(json.loads(text)) for text in texts]
        self.sizes = np.array([len(tokens) for tokens in each], dtype=np.int16)
        self.starts = np.cumsum([0, *(2 * len(tokens) for tokens in each[:-1])])
        flat = [token for tokens in each for pair in tokens for token in pair]
        self.token = {token: at for at, token in enumerate(dict.fromkeys(flat))}
        self.tokens = np.array([self.token[token] for token in flat])


def _tokens(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, path with value) of each setting; never none, as each stage has an empty one."""
    flat = {"": "", **flattened(settings)}
    return [(path, f"{path}={value!r}") for path, value in flat.items()]


def _replicate(context: Mapping[str, Any]) -> int:
    """One number for repeat and fold, NOT_DIVIDED where there are none."""
    if "repeat" not in context:
        return NOT_DIVIDED
    return int(context["repeat"]) * 1000 + int(context["fold"])

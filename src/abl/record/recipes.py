"""What every finished stage was made of, in one table: an index below the store.

It only repeats what `DONE.json` of each stage says. Rows that it lacks are read and added, those of
stages that have gone are left out, and a table that is damaged is made again; who cannot write it
does without. Of two processes that write it one wins, and the other's rows are read anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
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

VERSION = 1  # of the table
_WORDS = pa.dictionary(pa.int32(), pa.string())  # few distinct ones, compared as numbers
SCHEMA = pa.schema(
    {
        "digest": pa.string(),
        "kind": _WORDS,
        "version": pa.int64(),
        "settings": _WORDS,  # these and those below: canonical JSON
        "inputs": _WORDS,
        "seed": _WORDS,
        "context": _WORDS,
        "reads": _WORDS,
        "label": _WORDS,
        "shape": _WORDS,
        "seconds": pa.float64(),
    }
)
WORTH_WRITING = 200  # fewer stages are read as fast as the table
MOST_SHAPES = 20_000  # that a stage is compared with; of more, those that came last
MOST_DIFFERING = 6  # settings; what differs in more is not near
MOST_TIES = 50
FAR = 999
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
    said = done.stage
    context = {name: said["context"][name] for name in CONTEXT if name in said.get("context", {})}
    kind, settings = str(said.get("kind")), said.get("settings", {})
    return {
        "digest": done.digest,
        "kind": kind,
        "version": int(said.get("version", 0)),
        "settings": canonical_json(settings),
        "inputs": canonical_json(said.get("inputs", {})),
        "seed": canonical_json(said.get("seed")),
        "context": canonical_json(context),
        "reads": str(said.get("reads", "")),
        "label": str(said.get("label", "")),
        "shape": shape_of(kind, settings),
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
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        pq.write_table(table, fresh, compression="zstd", write_page_checksum=True)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)


class Recipes:
    """Finished stages by what they were made of.

    Args:
        table: Of SCHEMA, a row a stage, in the order in which they came.
    """

    def __init__(self, table: pa.Table):
        self._table = table
        self._kinds: dict[str, _OfKind | None] = {}

    def seconds(self, kinds: Collection[str]) -> list[tuple[str, str, float]]:
        """(kind, shape, seconds) of each finished stage of these kinds."""
        if not self._table.num_rows:
            return []
        words = [_Codes(self._table, name).words for name in ("kind", "shape")]
        rows = zip(*words, self._table["seconds"].to_pylist(), strict=True)
        return [row for row in rows if row[0] in kinds]

    def stage(self, digest: str) -> Stage | None:
        """One of them, None if it is not there."""
        row = self._rows.get(digest)
        return None if row is None else _stage(self._table, row)

    def nearest(self, stage: Stage, inputs: Mapping[str, str]) -> Stage | None:
        """The one of its kind that differs least, None if all differ in many settings.

        Args:
            inputs: Of the stage; where one is to be computed, what was nearest to it.
        """
        if stage.kind not in self._kinds:
            table = self._table
            if table.num_rows:
                table = table.filter(pa.array(~_Codes(table, "kind").unlike(stage.kind)))
            self._kinds[stage.kind] = _OfKind(table) if table.num_rows else None
        of_kind = self._kinds[stage.kind]
        return None if of_kind is None else of_kind.nearest(stage, inputs)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {digest: row for row, digest in enumerate(self._table["digest"].to_pylist())}


def _stage(table: pa.Table, row: int) -> Stage:
    (values,) = table.slice(row, 1).to_pylist()
    read = {name: json.loads(values[name]) for name in ("settings", "inputs", "seed", "context")}
    given = {name: values[name] for name in ("kind", "version", "reads", "label")}
    return Stage(**given, **read)


class _OfKind:
    """Finished stages of one kind, in columns of numbers: one look at all of them is a few sums."""

    def __init__(self, table: pa.Table):
        self._table = table
        names = ("seed", "inputs", "reads", "context", "shape")
        self._codes = {name: _Codes(table, name) for name in names}
        self._version = table["version"].to_numpy()
        contexts = [_part(json.loads(text)) for text in self._codes["context"].code]
        self._parts = np.array(contexts)[self._codes["context"].of_row]
        codes = self._codes["shape"].of_row
        there, first, self._shapes = np.unique(codes, return_index=True, return_inverse=True)
        words = list(self._codes["shape"].code)
        self._shape = {words[code]: at for at, code in enumerate(there)}
        texts = table["settings"].take(pa.array(first[-MOST_SHAPES:])).to_pylist()
        tokens = [_tokens(json.loads(text)) for text in texts]
        self._sizes = np.array([len(each) for each in tokens], dtype=np.int16)
        flat = [token for each in tokens for pair in each for token in pair]
        self._token = {token: at for at, token in enumerate(dict.fromkeys(flat))}
        self._flat = np.array([self._token[token] for token in flat])
        self._starts = np.cumsum([0, *(2 * len(each) for each in tokens[:-1])])
        self._differing: dict[str, np.ndarray] = {}

    def nearest(self, stage: Stage, inputs: Mapping[str, str]) -> Stage | None:
        if stage.shape not in self._differing:
            self._differing[stage.shape] = self._settings_differing(stage)
        settings = self._differing[stage.shape]
        # as many as settings and seeds that differ; versions, inputs and splits tell equals apart
        differing = (10 * settings)[self._shapes]
        differing += np.int16(8) * self._codes["seed"].unlike(canonical_json(stage.seed))
        differing += np.int16(8) * self._codes["reads"].unlike(stage.reads)
        differing += np.int16(4) * self._codes["inputs"].unlike(canonical_json(dict(inputs)))
        differing += np.int16(2) * (self._parts != _part(stage.context))
        differing += self._version != stage.version
        # of equals the one that came last, or is read from the same stages
        ties = np.flatnonzero(differing == differing.min())[-MOST_TIES if inputs else -1 :]
        if settings[self._shapes[ties[0]]] > MOST_DIFFERING:
            return None
        found = [_stage(self._table, int(row)) for row in ties[::-1]]
        return max(found, key=lambda old: len(old.inputs.items() & inputs.items()))

    def _settings_differing(self, stage: Stage) -> np.ndarray:
        """int16 (shapes,): in how many settings each differs, FAR where it was not looked at."""
        found = np.full(len(self._shape), FAR, dtype=np.int16)
        mine = _tokens(stage.settings)
        is_mine = np.zeros(len(self._token), dtype=np.int16)
        is_mine[[self._token[each] for pair in mine for each in pair if each in self._token]] = 1
        # a setting of both counts twice here, one of another value once
        shared = np.add.reduceat(is_mine[self._flat], self._starts)
        found[-len(self._sizes) :] = len(mine) + self._sizes - shared
        if stage.shape in self._shape:
            found[self._shape[stage.shape]] = 0
        return found


class _Codes:
    """A column of words as numbers."""

    def __init__(self, table: pa.Table, name: str):
        column = table[name].unify_dictionaries().combine_chunks()
        self.of_row = column.indices.to_numpy()
        self.code = {word: at for at, word in enumerate(column.dictionary.to_pylist())}

    @property
    def words(self) -> list[str]:
        """The column."""
        known = list(self.code)
        return [known[code] for code in self.of_row.tolist()]

    def unlike(self, word: str) -> np.ndarray:
        """bool (rows,): where another one stands."""
        return self.of_row != self.code.get(word, -1)


def _tokens(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(path, path with value) of each setting; never none, as each stage has an empty one."""
    flat = {"": "", **flattened(settings)}
    return [(path, f"{path}={value!r}") for path, value in flat.items()]


def _part(context: Mapping[str, Any]) -> int:
    """One number for repeat and fold, -1 where there are none."""
    return int(context.get("repeat", -1)) * 1000 + int(context.get("fold", 999))

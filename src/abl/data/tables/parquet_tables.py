"""A table in a Parquet file, read in batches within stated bounds.

A few hundred KB of Parquet may be twenty million rows, or one text of 100 MB in each of a million:
values that repeat are written once. So rows and decoded bytes are counted as they come, and texts
are kept as they are in the file, each once, until it is known how many bytes they make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pyarrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from abl.errors import InputError, Problem
from abl.spec.limits import LONGEST_FIELD, TABLE_MB, TABLE_ROWS, too_large

BATCH = 65_536
# texts of which each repeats the start of the one before: they cannot be had each once
_BY_PREFIX = "DELTA_BYTE_ARRAY"


def read_parquet_table(
    path: Path, wanted: Callable[[str], bool] = lambda name: True
) -> pd.DataFrame:
    """Columns of a Parquet file, as typed.

    Args:
        wanted: Whether a column of this name is read.

    Raises:
        InputError: It is no Parquet, or over a limit.
    """
    try:
        if said := too_large(path.stat().st_size, TABLE_MB):
            raise _refused(path, said)
        return _read(path, wanted).to_pandas(ignore_metadata=True)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        text = str(error).strip()
        raise _refused(path, f"not Parquet: {text.splitlines()[0] if text else error}") from None


def _read(path: Path, wanted: Callable[[str], bool]) -> pyarrow.Table:
    with pq.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
    names = [name for name in schema.names if wanted(name)]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise _refused(path, f"column '{twice[0]}' is there twice")
    if metadata.num_rows > TABLE_ROWS.most:
        raise _refused(path, TABLE_ROWS.refusal(f"has {metadata.num_rows:,} rows"))
    chunks = list(_chunks(metadata, set(names)))
    # as the file says; it may say less than is so, and what is read is counted too
    if said := too_large(sum(size for _, size, _ in chunks), TABLE_MB, "unpacks to"):
        raise _refused(path, said)
    by_prefix = {name for name, _, encodings in chunks if _BY_PREFIX in encodings}
    flat = [name for name in names if _is_text(schema.field(name).type)]
    once = [name for name in flat if name not in by_prefix]
    # of others a batch may be as many texts as rows, each as long as all of its column's values
    unsure = {name for name in names if _holds_text(schema.field(name).type)} - set(once)
    longest = max((size for name, size, _ in chunks if name in unsure), default=0)
    rows = max(1, min(BATCH, TABLE_MB.bytes // (4 * max(1, longest))))
    count = size = 0
    batches = []
    with pq.ParquetFile(path, read_dictionary=once) as file:
        for batch in file.iter_batches(batch_size=rows, columns=names, use_threads=False):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                size += _checked_bytes(path, name, column, count)
            count += batch.num_rows
            if count > TABLE_ROWS.most:
                raise _refused(path, TABLE_ROWS.refusal(f"has more than {TABLE_ROWS.most:,} rows"))
            if said := too_large(size, TABLE_MB, "unpacks to more than"):
                raise _refused(path, said)
            batches.append(batch)
        table = pyarrow.Table.from_batches(batches, file.schema_arrow if not batches else None)
    return pyarrow.table(
        {name: _plain(table.column(at)) for at, name in enumerate(table.column_names)}
    )


def _chunks(
    metadata: pq.FileMetaData, names: set[str]
) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """Column, bytes unpacked and encodings of each chunk of a column, as the file says."""
    for at in range(metadata.num_row_groups):
        group = metadata.row_group(at)
        for position in range(group.num_columns):
            chunk = group.column(position)
            name = chunk.path_in_schema.partition(".")[0]
            if name in names:
                yield name, chunk.total_uncompressed_size, tuple(chunk.encodings)


def _checked_bytes(path: Path, name: str, column: pyarrow.Array, before: int) -> int:
    """Bytes of a column of a batch as it will be in memory. Raises InputError of a huge text."""
    if not pyarrow.types.is_dictionary(column.type):
        if _is_text(column.type):
            _check_lengths(path, name, pc.binary_length(column), before)
        return int(column.nbytes)
    values = column.dictionary
    if not _is_text(values.type):
        return len(column) * 8 + int(values.nbytes)
    lengths = pc.take(pc.binary_length(values), column.indices)
    _check_lengths(path, name, lengths, before)
    total = pc.sum(lengths.cast(pyarrow.int64())).as_py()
    return int(total or 0) + len(column) * 8


def _check_lengths(path: Path, name: str, lengths: pyarrow.Array, before: int) -> None:
    longest = pc.max(lengths).as_py()
    if longest is not None and longest > LONGEST_FIELD:
        at = pc.index(lengths, pyarrow.scalar(longest, lengths.type)).as_py()
        message = f"{name} is a text of {longest:,} bytes; at most {LONGEST_FIELD:,} are read"
        raise InputError(Problem(message, file=str(path), line=before + at + 2))


def _plain(column: pyarrow.ChunkedArray) -> pyarrow.ChunkedArray:
    """Values that stand for numbers of a list of values, as these values."""
    if not pyarrow.types.is_dictionary(column.type):
        return column
    return pyarrow.chunked_array(
        [chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type
    )


def _is_text(kind: pyarrow.DataType) -> bool:
    types = pyarrow.types
    if types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    )


def _holds_text(kind: pyarrow.DataType) -> bool:
    """Whether values of a type are texts, or lists or structures of any."""
    if _is_text(kind):
        return True
    return any(_holds_text(kind.field(at).type) for at in range(kind.num_fields))


def _refused(path: Path, message: str) -> InputError:
    return InputError(Problem(message, file=str(path)))

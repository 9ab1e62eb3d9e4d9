"""Whatever a manifest holds: it is read, or what is wrong is said. Never a traceback or a hang."""

from __future__ import annotations

import random
import shutil
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_folders import noise_image, write_png

from abl.data.load import load_dataset
from abl.data.splits.splits import split_of
from abl.errors import InputError
from abl.spec.data import Data
from abl.spec.splits import Splits

HEADER = "image,label,patient,nodule,split,centre,mask,image2,box_x0,box_y0,box_x1,box_y1,age"
ROWS = [
    f"{n}.png,{'benign' if n % 2 else 'malignant'},p{n // 2},1,{'train' if n < 8 else 'test'},"
    f"{'AB'[n == 11]},m{n}.png,{n}.png,1,2,9,{10 + n},{40 + n}"
    for n in range(12)
]
WHOLE = "\n".join([HEADER, *ROWS]) + "\n"
WORDS = [
    "", " ", "nan", "NaN", "inf", "-inf", "-1", "1e400", "9" * 30, "0x10", "1_000", "None", "null",
    "../0.png", "/etc/passwd", "C:\\x.png", "~/x", ".", "..", "png/", "\0", "a\0b", "\x1b[31m",
    '"', '""', '"a', "a,b", "\r", "\u2028", "\ufeff", "é", "e\u0301", "𝔘", "x" * 300, "x" * 140_000,
    "<script>alert(1)</script>", "=1+1", "fingerprint", "image", "label", "patient", "first_image",
    "split", "p0", "0.png", "m1.png", "folder", "link.png",
]  # fmt: skip
SLOWEST_S = 10.0
# control characters, surrogates, separators of lines and paragraphs
MOVES_CURSOR = frozenset({"Cc", "Cs", "Zl", "Zp"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Images, masks, a folder and a link that leaves it, for manifests beside them."""
    folder = tmp_path_factory.mktemp("broken")
    for number in range(12):
        write_png(folder / f"{number}.png", noise_image(number))
        write_png(folder / f"m{number}.png", noise_image(number))
    (folder / "folder").mkdir()
    (folder / "link.png").symlink_to("/etc/hostname")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def broken(seed: int) -> bytes:
    """The whole manifest with a few rows, fields or bytes changed."""
    draw = random.Random(seed)
    lines = WHOLE.splitlines(keepends=True)
    for _ in range(draw.choice([1, 1, 2, 4, 8])):
        at = draw.randrange(len(lines)) if lines else 0
        what = draw.randrange(8)
        if not lines or what == 0:
            lines.insert(at, f"{draw.choice(WORDS)}\n")
        elif what == 1:
            del lines[at]
        elif what == 2:
            lines.insert(draw.randrange(len(lines)), lines[at])
        elif what in (3, 4, 5):
            fields = lines[at].rstrip("\n").split(",")
            fields[draw.randrange(len(fields))] = draw.choice(WORDS)
            lines[at] = ",".join(fields) + "\n"
        elif what == 6:
            fields = lines[at].rstrip("\n").split(",")
            del fields[draw.randrange(len(fields))]
            lines[at] = ",".join(fields) + "\n"
        else:
            position = draw.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:position] + draw.choice(";\t\"',\n|") + lines[at][position:]
    data = "".join(lines).encode("utf-8", "surrogatepass")
    if draw.random() < 0.15 and data:
        at = draw.randrange(len(data))
        data = data[:at] + bytes([draw.randrange(256)]) + data[at + draw.randrange(2) :]
    if draw.random() < 0.03:
        data = data.decode("utf-8", "replace").encode(draw.choice(["utf-16", "utf-32", "utf-7"]))
    return data


def is_told(folder: Path, data: bytes, *, name: str = "manifest.csv") -> bool:
    """Whether it is refused; fails if by anything but InputError with one-line problems."""
    (folder / name).write_bytes(data)
    start = time.monotonic()
    try:
        asked = Data(manifest=name, without={"centre": ["B"]})
        dataset = load_dataset(asked, base=folder)
        split_of(dataset.frame, Splits(kind="column", by="image"), 0, 0)
    except InputError as error:
        problems = error.problems
    else:
        problems = ()
    assert time.monotonic() - start < SLOWEST_S
    for problem in problems:
        assert problem.message
        assert MOVES_CURSOR.isdisjoint(map(unicodedata.category, str(problem)))
        assert problem.line is None or problem.line >= 1
    return bool(problems)


def told_of(folder: Path, seeds: range) -> float:
    return sum(is_told(folder, broken(seed)) for seed in seeds) / len(seeds)


def test_a_manifest_that_is_broken_anywhere_is_told_or_read(folder: Path) -> None:
    assert 0.5 < told_of(folder, range(300)) < 1


@pytest.mark.slow
def test_ten_thousand_broken_manifests(folder: Path) -> None:
    assert 0.5 < told_of(folder, range(1000, 11_000)) < 1


fields = st.text(max_size=12) | st.sampled_from(WORDS)


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(fields, min_size=1, max_size=14), max_size=6), st.booleans())
def test_any_fields_in_any_rows_are_told_or_read(
    folder: Path, rows: list[list[str]], with_header: bool
) -> None:
    import csv
    import io

    text = io.StringIO()
    csv.writer(text).writerows([*([HEADER.split(",")] if with_header else []), *rows])
    is_told(folder, text.getvalue().encode("utf-8", "replace"))


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300), st.sampled_from(["manifest.csv", "manifest.parquet"]))
def test_any_bytes_are_told(folder: Path, data: bytes, name: str) -> None:
    assert is_told(folder, data, name=name)


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.binary()


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(HEADER.split(",")), st.lists(VALUES, min_size=3, max_size=3), min_size=1
    )
)
def test_any_values_in_parquet_are_told_or_read(
    folder: Path, columns: dict[str, list[object]]
) -> None:
    import pyarrow

    try:
        pd.DataFrame(columns).to_parquet(folder / "drawn.parquet")
    except (pyarrow.ArrowException, UnicodeError, OverflowError):  # no file holds such a column
        return
    is_told(folder, (folder / "drawn.parquet").read_bytes(), name="manifest.parquet")

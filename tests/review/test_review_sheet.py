"""Cells of the sheet that readers fill in: text to a spreadsheet, and read back as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.app.image_pages.text_cells import as_text_cell, from_text_cell, sheet_text
from abl.data.tables.rows import read_rows

CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from("=+-@'\t\r\n \"1,;")
)


@given(CELLS)
def test_a_cell_is_read_back_as_it_was(cell: str) -> None:
    assert from_text_cell(as_text_cell(cell)) == cell


@pytest.mark.parametrize(
    "cell", ["=1+2", "+A1", "-A1", "@SUM(A1)", " =1", "\t=1", "\uff1d1+2", "=cmd|' /C calc'!A0"]
)
def test_no_cell_is_a_formula(cell: str) -> None:
    assert as_text_cell(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-3.5", "+1e-4", "benign", "", "a=b", "it's", "2026-01-01"])
def test_numbers_and_words_stay_what_they_are(cell: str) -> None:
    assert as_text_cell(cell) == cell


def test_a_sheet_is_read_by_the_reader_of_tables(tmp_path: Path) -> None:
    cells = ["=1+2", 'say "no", or', "'quoted", "-3"]
    path = tmp_path / "sheet.csv"
    path.write_bytes(sheet_text(["a", "b", "c", "d"], [cells]).encode())
    rows = read_rows(path)
    assert [from_text_cell(rows.text(name)[0]) for name in "abcd"] == cells

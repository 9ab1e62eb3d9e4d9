"""YAML is read as its writer meant it, and every fault is told with its line."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.errors import InputError, raise_if_any
from abl.spec.yaml_file import Document, read_with_faults, yaml_text


def read_yaml(path: Path) -> Document:
    document = read_with_faults(path)
    raise_if_any(list(dict.fromkeys(document.places.faults.values())))
    return document


def values_of(tmp_path: Path, text: str | bytes) -> Any:
    path = tmp_path / "file.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(path).values


def faults_of(tmp_path: Path, text: str | bytes) -> list[tuple[int | None, str]]:
    with pytest.raises(InputError) as caught:
        values_of(tmp_path, text)
    return [(problem.line, problem.message) for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("1_000", 1000),
        ("'010'", "010"),
        ("0", 0),
        ("0.50", 0.5),
        ("0e1", 0.0),
        ("12:30", "12:30"),
        ("2026-11-22", "2026-11-22"),
        ("true", True),
        ("FALSE", False),
        ("no", "no"),
        ("on", "on"),
        ("y", "y"),
        ("~", None),
        ("", None),
        ("'1e-4'", "1e-4"),
        ("0x10", "0x10"),
        ("38%", "38%"),
        ("1.2.3", "1.2.3"),
        ("<<", "<<"),
        ("[1, 2.0, a]", [1, 2.0, "a"]),
    ],
)
def test_scalars_are_what_their_writer_meant(tmp_path: Path, written: str, meant: object) -> None:
    found = values_of(tmp_path, f"key: {written}\n")["key"]
    assert found == meant
    assert type(found) is type(meant)


def test_keys_are_words_even_where_they_look_like_numbers(tmp_path: Path) -> None:
    assert values_of(tmp_path, "1: a\ntrue: b\nnull: c\n") == {"1": "a", "true": "b", "null": "c"}


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    assert values_of(tmp_path, b"\xef\xbb\xbfa: 1\r\nb: 2\r\n") == {"a": 1, "b": 2}


def test_an_alias_gives_the_same_value_again(tmp_path: Path) -> None:
    assert values_of(tmp_path, "a: &x [1, 2]\nb: *x\n") == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "given twice (first in line 1)"),
        ("x:\n  a: 1\n  a: 2\n", 3, "given twice (first in line 2)"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "tag"),
        ("a: !custom 3\n", 1, "tag !custom is not allowed"),
        ("a: !!binary aGk=\n", 1, "tag !!binary"),
        ("a: 1\nb: [1, 2\nc: 3\n", 3, "not YAML"),
        ("a: 1\n\tb: 2\n", 2, "not YAML"),
        ("a: *nowhere\n", 1, "undefined alias"),
        ("a: 1\n---\nb: 2\n", 2, "another document"),
        ("? [a, b]\n: 1\n", 1, "a key must be a word"),
        ("- a\n- b\n", 1, "mapping"),
        ("just words\n", 1, "mapping"),
        ("", 1, "mapping"),
        ("# only a comment\n", 1, "mapping"),
        ("a: 1\nb: .inf\n", 2, "not a number that can be used"),
        ("a: 1\nb: .NaN\n", 2, "not a number that can be used"),
        ("a: 1e999\n", 1, "not a number that can be used"),
        ("a: 1\nb: " + "9" * 5000 + "\n", 2, "not a number that can be used"),
        ("a: 1\nb: 010\n", 2, "'010' begins with 0: write 10, or in quotes if it is a name"),
        ("a: -00.5\n", 1, "begins with 0: write -0.5"),
        ("a: 00\n", 1, "begins with 0: write 0,"),
        ('a: 1\nb: "x\\0y"\n', 2, "control characters"),
        ('a: "\\ud800"\n', 1, "control characters"),
        ("a: 1\nb: \x01\n", 2, "U+0001 is not allowed"),
    ],
)
def test_each_fault_has_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    found = faults_of(tmp_path, text)
    assert [where for where, _ in found] == [line]
    assert words in found[0][1]


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = faults_of(tmp_path, "a: !x 1\nb: 2\nb: 3\nc: .nan\n")
    assert [line for line, _ in found] == [1, 3, 4]


def test_what_is_not_utf8_is_said_with_its_line(tmp_path: Path) -> None:
    assert faults_of(tmp_path, b"a: 1\nb: caf\xe9\n") == [(2, "not UTF-8: save the file as UTF-8")]


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "none.yaml", "no such file"), (tmp_path, "cannot be read")):
        with pytest.raises(InputError, match=words) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)


def test_aliases_that_multiply_are_refused_quickly(tmp_path: Path) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert "too many values" in faults_of(tmp_path, "\n".join(levels))[0][1]


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 60 + "]" * 60,
        "a: " + "[" * 4000 + "]" * 4000,
        "a: " + "{b: " * 3000 + "1" + "}" * 3000,
        "a: &a [*a]",
    ],
)
def test_deep_nesting_is_refused(tmp_path: Path, text: str) -> None:
    assert "nested too deep" in faults_of(tmp_path, text)[0][1]


def test_a_very_large_file_is_refused_unread(tmp_path: Path) -> None:
    assert "not a sweep file" in faults_of(tmp_path, b"a: 1\n" * 500_000)[0][1]


@given(
    st.dictionaries(
        st.text("ab0", min_size=1),
        st.one_of(
            st.text("0123456789eE+-._~:#, nulltrueyes", max_size=8),
            st.integers(-(10**9), 10**9),
            st.floats(allow_nan=False, allow_infinity=False),
            st.booleans(),
            st.none(),
        ),
        min_size=1,
    )
)
def test_what_is_written_is_read_as_the_same_values(values: dict[str, object]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder, "s.yaml")
        path.write_text(yaml_text(values), encoding="utf-8")
        assert read_yaml(path).values == values

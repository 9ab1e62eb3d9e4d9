"""Whatever a file holds: it is read, or what is wrong is said. Never a traceback."""

from __future__ import annotations

import random
import string
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import abl
from abl.errors import InputError
from abl.spec.read import read_sweep

# control characters, surrogates, separators of lines and paragraphs
MOVES_CURSOR = frozenset({"Cc", "Cs", "Zl", "Zp"})

WHOLE = """\
name: mine
study: two_step
title: "what & why: 50 %"
data:
  phantom: {patients: 40, size: 64, flip: 0.1}
  unit: nodule
image: {size: 64, channels: 1, normalize: half, crop: {to: box, margin: 0.2}}
splits: {kind: kfold, folds: 3, by: patient}
replicates: {repeats: 2, seeds: [0, 1]}
train:
  network: plain4
  epochs: 8
  last_k: 3
  optimizer: {name: adam, lr: 1e-3}
  schedule: {name: step, every: 5}
  augment: {flip: yes, rotate_deg: 15}
options:
  panel: [plain4, tiny_resnet, tiny_mobile]
  epochs: 4
axes:
  consensus: [1, 2, 3]
  network: [plain4, tiny_resnet]
  second: [true, retrained]
  rule: [original, true, average, model1]
  threshold: {from: 0, to: 0.95, steps: 20, curve: true}
  train.epochs: [8, 9]
arms:
  - {rule: [original, average]}
  - {rule: model1, consensus: 2}
exclude:
  - {rule: average, consensus: 3}
metrics: [acc, spe, sen, f1, auc, sen@0.9]
primary: f1
select_by: auc
base: {rule: original}
margin: 0.02
resources: {cpus: 1, gpus: 0}
table: {decimals: 2}
"""
WORDS = [
    "null", "~", "true", "no", "-1", "0", "1e-4", "1e400", ".inf", ".nan", "9" * 30, "9" * 5000,
    "''", '"\\0"', '"\\ud800"', "[]", "{}", "[[]]", "{a: {b: [1]}}", "!!python/name:os.system ''",
    "&a [*a]", "*a", "<<", "?", "- -", "|", ">\n  x", "%", "@", "`", "always", "38%", "x" * 5000,
    "../..", "/", "\t", "\x85", "é", "𝔘", "{", "}", "]", ":", "#", "'", '"', "---", "...",
    "axes", "rule", "data.phantom.flip", "options.panel", "train.network", "2026-11-22",
]  # fmt: skip


def broken(seed: int) -> bytes:
    """The whole file with a few lines, words or bytes changed."""
    draw = random.Random(seed)
    text = WHOLE
    for _ in range(draw.choice([1, 1, 1, 2, 3, 8])):
        lines = text.splitlines(keepends=True) or [""]
        at = draw.randrange(len(lines))
        what = draw.randrange(9)
        if what == 0:
            del lines[at]
        elif what == 1:
            lines.insert(at, lines[draw.randrange(len(lines))])
        elif what == 2:
            lines[at] = " " * draw.randrange(4) + lines[at].lstrip(" ")
        elif what == 3:
            head, colon, _ = lines[at].partition(":")
            lines[at] = f"{head}{colon} {draw.choice(WORDS)}\n"
        elif what == 4:
            tokens = lines[at].split(" ")
            tokens[draw.randrange(len(tokens))] = draw.choice(WORDS)
            lines[at] = " ".join(tokens)
        elif what == 5:
            position = draw.randrange(len(lines[at]) + 1)
            lines[at] = (
                lines[at][:position] + draw.choice(string.punctuation) + lines[at][position:]
            )
        elif what == 6:
            lines = lines[: at + 1]
        elif what == 7:
            lines[at] = lines[at].replace(draw.choice("abcdef:,[]{}"), "")
        else:
            word = draw.choice(lines[at].replace(",", " ").split() or ["x"]).strip("[]{}:")
            lines[at] = lines[at].replace(word or "x", draw.choice(WORDS))
        text = "".join(lines)
    data = text.encode("utf-8", "surrogatepass")
    if draw.random() < 0.1 and data:
        at = draw.randrange(len(data))
        data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    return data


def is_told(data: bytes, *, full: bool) -> bool:
    """Whether the file is refused; fails if by anything but InputError with one-line problems."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sweep.yaml"
        path.write_bytes(data)
        try:
            if full:
                abl.load(path, root=Path(folder) / "mlruns")
            else:
                read_sweep(path)
        except InputError as error:
            problems = error.problems
        else:
            return False
    assert problems
    for problem in problems:
        assert problem.message
        assert MOVES_CURSOR.isdisjoint(map(unicodedata.category, str(problem)))
        assert problem.line is None or problem.line >= 1
    return True


def test_the_whole_file_itself_is_good(tmp_path: Path) -> None:
    assert not is_told(WHOLE.encode(), full=True)


def test_a_file_that_is_broken_anywhere_is_told_or_read() -> None:
    told = [is_told(broken(seed), full=True) for seed in range(250)]
    assert 0.5 < sum(told) / len(told) < 1


@pytest.mark.slow
def test_ten_thousand_broken_files() -> None:
    told = [is_told(broken(seed), full=True) for seed in range(1000, 11_000)]
    assert 0.5 < sum(told) / len(told) < 1


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(range(WHOLE.count("\n"))), plain)
def test_any_value_in_any_place_is_told_or_read(line: int, value: object) -> None:
    import yaml

    lines = WHOLE.splitlines()
    key = lines[line].partition(":")[0]
    shown = (
        yaml.safe_dump(value, default_flow_style=True, width=10**6).strip().removesuffix("\n...")
    )
    lines[line] = f"{key}: {shown}"
    is_told("\n".join(lines).encode("utf-8", "replace"), full=True)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_told(data: bytes) -> None:
    assert is_told(data, full=False)

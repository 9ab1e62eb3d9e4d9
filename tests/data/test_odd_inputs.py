"""A few of the odd inputs of benchmarks/odd_inputs.py: each is read, or refused in a line."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def odd_inputs() -> ModuleType:
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("odd_inputs", BENCHMARKS / "odd_inputs.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return module


@pytest.mark.parametrize("kind", ["manifests", "boxes", "masks", "images", "dicom"])
def test_odd_inputs_end_in_a_table_or_in_a_line(odd_inputs: ModuleType, kind: str) -> None:
    found = [odd_inputs.read_one(kind, 15, number) for number in range(12)]
    assert [wrong for _, wrong in found if wrong] == []
    assert {code for codes, _ in found for code in codes} <= {0, 2}

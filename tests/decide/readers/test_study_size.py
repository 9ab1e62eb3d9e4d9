"""Readers and cases needed: published powers of a pilot, and what more of either does."""

from __future__ import annotations

import pytest

from abl.decide.readers.study_size import (
    MOST_CASES,
    PilotVariances,
    cases_needed,
    of_an_algorithm,
    of_two_treatments,
    readers_needed,
    study_power,
    study_sizes,
)

# Van Dyke 1993 by the jackknife (MRMCaov's and OR-DBM's figures): 5 readers, 114 cases
VAN_DYKE = of_two_treatments(
    0.0005510306217440563,
    0.000802288265572065,
    0.00034661370944073176,
    0.0003440748288608889,
    0.00023902837089215373,
    114,
)
OBSERVED = 0.043800322


def test_powers_are_those_of_rjafroc() -> None:
    assert study_power(VAN_DYKE, OBSERVED, 10, 165) == pytest.approx(0.80541995, abs=1e-7)
    assert study_power(VAN_DYKE, OBSERVED, 6, 111) == pytest.approx(0.5526116, abs=1e-7)
    needed = cases_needed(VAN_DYKE, OBSERVED, 6, 0.8)
    assert needed is not None
    assert needed.cases == 251
    assert study_power(VAN_DYKE, OBSERVED, 6, 250) < 0.8


def test_more_readers_need_fewer_cases_and_few_readers_never_suffice() -> None:
    found = list(study_sizes(VAN_DYKE, 0.05, 0.8))
    assert [each.cases for each in found] == sorted((each.cases for each in found), reverse=True)
    assert found[0].readers > 2  # the spread between two readers cannot be measured away
    assert cases_needed(VAN_DYKE, 0.05, 2, 0.8) is None
    enough = readers_needed(VAN_DYKE, 0.05, 213, 0.8)
    assert enough is not None
    assert enough.readers == 5


def test_an_algorithm_meets_the_limit_that_its_own_cases_set() -> None:
    """With readers that all agree, cases alone decide: the variance is that of a z test."""
    pilot = of_an_algorithm(0.0, 0.002, 0.002, 100)
    assert pilot == PilotVariances(0.0, 0.0, 0.002, 100, 1)
    cases = 100 * 0.002 * (1.959964 / 0.05) ** 2  # where the difference is 1.96 errors
    assert study_power(pilot, 0.05, 3, cases) == pytest.approx(0.5, abs=0.001)
    assert study_power(pilot, 0.05, 3, MOST_CASES) == pytest.approx(1)

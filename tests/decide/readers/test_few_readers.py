"""Two readers: other readers on other cases are never known better than these on other cases."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.command import readers_analysed
from abl.decide.readers.against_readers import algorithm_against_readers
from abl.decide.readers.nested_readers import nested_readers
from abl.decide.readers.obuchowski_rockette import obuchowski_rockette
from abl.decide.readers.rater_estimates import rater_estimates

NAMES = ("aided", "unaided")


def answered(wrong: dict[tuple[str, str], set[int]], cases: int = 38) -> pd.DataFrame:
    """Negative cases by reader and treatment, of which some are called positive, and positives."""
    rows = [
        {
            "case": f"{truth}-{case:02d}", "reader": reader, "treatment": treatment,
            "truth": truth, "answer": int(truth or case in misses),
        }
        for (reader, treatment), misses in wrong.items()
        for truth in (0, 1)
        for case in range(cases)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def random_of(found):
    return found.analyses["random"].differences[0]


# each reader has one more wrong with the aid; in the second study on cases that overlap a little
ALIKE = {
    "no covariance": {
        ("R1", "unaided"): {0}, ("R1", "aided"): {0, 1},
        ("R2", "unaided"): {2, 3}, ("R2", "aided"): {2, 3, 4},
    },
    "a sliver of covariance": {
        ("R1", "unaided"): {0}, ("R1", "aided"): {1, 2},
        ("R2", "unaided"): {0, 3, 4, 5}, ("R2", "aided"): {1, 6, 7, 8, 9},
    },
}  # fmt: skip


@pytest.mark.parametrize("name", ALIKE)
def test_readers_who_move_by_as_many_cases_are_no_proof(tmp_path: Path, name: str) -> None:
    answered(ALIKE[name]).to_csv(tmp_path / "a.csv", index=False)
    asked = ReadersAsked(
        [tmp_path / "a.csv"], base="unaided", margin=0.05, statistics=["spe"], order=NAMES[::-1]
    )
    text = " ".join(readers_analysed(asked, 200).text.split())
    assert "aided - unaided: undecided" in text
    assert "It holds for" not in text
    assert "no smaller than that of these readers on other cases" in text
    assert "no spread between cases or readers" not in text
    assert "do not differ in it" in text  # with the cases fixed


@pytest.mark.parametrize("effects", ["random", "fixed_cases"])
def test_the_floor_is_of_random_cases_alone(effects) -> None:
    values = np.array([[0.9, 0.8], [0.85, 0.76]])
    covariance = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(2)) * 0.002
    found = obuchowski_rockette(values, covariance, NAMES, effects).differences[0]
    square = (0.01 / 2) ** 2
    held = 0.002 if effects == "random" else square
    assert found.error**2 == pytest.approx(held)
    assert found.floored == (effects == "random")
    assert found.df == pytest.approx(1)  # Hillis', whatever the floor


def test_an_algorithm_and_readers_of_their_own_treatments_have_the_floor() -> None:
    values = np.array([0.9, 0.8, 0.8])
    against = algorithm_against_readers(values, np.eye(3) * 0.002, ("net", "R1", "R2"))
    fixed = algorithm_against_readers(
        values, np.eye(3) * 0.002, ("net", "R1", "R2"), "fixed_readers"
    )
    assert against.difference.error == pytest.approx(fixed.difference.error)
    assert against.difference.floored
    apart = nested_readers(
        np.array([0.9, 0.9, 0.8, 0.8]), np.eye(4) * 0.002, np.array([0, 0, 1, 1]), NAMES
    )
    assert apart.differences[0].error ** 2 == pytest.approx(0.002)
    assert apart.test.floored


def test_equal_treatments_are_seldom_called_different_by_two_readers() -> None:
    draw = np.random.default_rng(3)
    rejected = below = 0
    for _ in range(800):
        latent = draw.normal(size=38) * 0.6 + draw.normal(size=(4, 38)) * 0.8
        each = rater_estimates((latent > 1.2).astype(int), np.zeros(38), "spe")
        shaped = each.values.reshape(2, 2), each.covariance.reshape(2, 2, 2, 2), NAMES
        found, fixed = (
            obuchowski_rockette(*shaped, effects).differences[0]
            for effects in ("random", "fixed_readers")
        )
        rejected += found.p < 0.05
        below += bool(found.error < fixed.error * (1 - 1e-9))
    assert below == 0
    assert rejected / 800 < 0.05


def test_five_readers_are_as_hillis_has_them() -> None:
    draw = np.random.default_rng(1)
    values = 0.8 + 0.001 * draw.normal(size=(2, 5))
    covariance = np.einsum("ik,jl->ijkl", np.eye(2), np.eye(5)) * 0.002
    found = obuchowski_rockette(values, covariance, NAMES).differences[0]
    square = np.var(values[0] - values[1], ddof=1) / 2
    assert found.error == pytest.approx(math.sqrt(2 / 5 * square))
    assert not found.floored

"""Published multi-reader studies, to every digit that was printed; by the command and its JSON."""

from __future__ import annotations

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.command import readers_analysed

SHARED = Path(__file__).parents[3] / ".." / "shared"
DATA = SHARED / "data" / "readers"
TABLE = SHARED / "methods" / "tables" / "mrmc.csv"
EFFECTS = {
    "": "random",
    "random readers and cases": "random",
    "fixed readers": "fixed_readers",
    "fixed cases": "fixed_cases",
}

pytestmark = pytest.mark.skipif(not TABLE.is_file(), reason="the published values are not here")


def published() -> list[dict[str, str]]:
    if not TABLE.is_file():
        return []
    with TABLE.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@cache
def facts(data: str, covariance: str) -> dict[str, Any]:
    algorithms = ["algorithm"] if data.startswith("algorithm") else []
    asked = ReadersAsked(
        [DATA / f"{data}.csv"],
        algorithms=algorithms,
        covariance=covariance,
        cutoff=None if algorithms else 3,
        as_json=True,
    )
    found: dict[str, Any] = json.loads(readers_analysed(asked).text)
    return found


def value_of(row: dict[str, str]) -> float:
    covariance = row["covariance"].split(" ")[0] or "delong"
    found = facts(row["data"], covariance)
    effects, quantity = EFFECTS[row["effects"]], row["quantity"]
    if row["data"] == "algorithm_against_nine":
        analysis = found["against"][0]["analyses"][effects]
        if quantity == "algorithm":
            return analysis["algorithm"]["estimate"]
        if quantity == "mean of readers":
            return analysis["readers"]["estimate"]
        # there the difference is of the readers to the algorithm
        return abs(analysis["difference"][quantity])
    statistic = row["statistic"][:3]
    comparison = next(each for each in found["comparisons"] if each["statistic"] == statistic)
    analysis = comparison["analyses"][effects]
    if quantity.startswith("treatment "):
        return analysis["treatments"][int(quantity[-1]) - 1]["estimate"]
    places = {
        "F": ("test", "value"),
        "chi2": ("test", "value"),
        "df2": ("test", "df2"),
        "p": ("test", "p"),
        "cov1": ("errors", "cov1"),
        "cov2": ("errors", "cov2"),
        "cov3": ("errors", "cov3"),
        "ms_treatment": ("mean_squares", "treatment"),
        "ms_treatment_reader": ("mean_squares", "treatment_reader"),
    }
    if quantity in places:
        room, name = places[quantity]
        return analysis[room][name]
    return analysis["differences"][0][quantity.removeprefix("ci_")]


def test_there_is_something_to_compare_with() -> None:
    assert len(published()) >= 36


@pytest.mark.parametrize(
    "row", published(), ids=lambda row: "-".join(row[name] for name in list(row)[:5])
)
def test_every_printed_digit(row: dict[str, str]) -> None:
    printed = row["value"]
    decimals = len(printed.partition(".")[2])
    assert abs(value_of(row) - float(printed)) <= 0.5001 * 10**-decimals

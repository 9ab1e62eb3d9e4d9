"""Arms that are scored on other images than their base: said in plan and table, not passed over."""

from __future__ import annotations

from pathlib import Path

from commands import abl
from tiny_sweeps import TWO_NETWORKS, write_sweep

CENTRES = [{"centre": ["A"]}, {"centre": ["B"]}]
ALONE = {name: TWO_NETWORKS[name] for name in ("study", "splits", "replicates")} | {"options": {}}
APART = (
    "centre (B) is scored on other images or units than centre (A): no difference is tested there: "
    "give a base, or contrasts, by an axis that leaves these as they are"
)


def two_centres(folder: Path) -> None:
    """16 patients of centre A, then 8 of B."""
    path = folder / "images" / "manifest.csv"
    header, *rows = path.read_text().splitlines()
    lines = [f"{row},{'A' if int(row[4:7]) < 16 else 'B'}" for row in rows]
    path.write_text("\n".join([f"{header},centre", *lines]) + "\n")


def test_a_base_with_other_test_images_is_named_and_not_asked_for(tiny_folder: Path) -> None:
    two_centres(tiny_folder)
    changes = {"axes": {"data.where": CENTRES}, "base": {"data.where": CENTRES[0]}}
    write_sweep(tiny_folder, {**ALONE, **changes})
    planned = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert planned.exit_code == 0, planned.output
    assert f"  note         {APART}\n" in planned.stdout
    assert "8 test patients (4 positive), the fewest of 2 test sets of arms: a" in planned.stdout
    words = ["--executor", "local", "--record", "off", "--mlruns", "runs"]
    found = abl(tiny_folder, "sweep", "tiny.yaml", *words)
    assert found.exit_code == 0, found.output
    told = " ".join(found.stdout.split())
    assert f"{APART}." in told
    assert "nothing was compared: arms are scored on other images or units than their base" in told
    assert "give `base`" not in told
    tests = abl(tiny_folder, "table", "tiny", "--mlruns", "runs", "--show", "tests")
    assert tests.exit_code == 2
    assert "they are scored on other images or units than their base" in tests.stderr


def test_arms_at_equal_images_are_compared_as_before(tiny_folder: Path) -> None:
    two_centres(tiny_folder)
    axes = {"network": ["pooled3", "pooled6"], "data.where": CENTRES}
    write_sweep(tiny_folder, {**ALONE, "axes": axes, "base": {"network": "pooled3"}})
    planned = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    assert planned.exit_code == 0, planned.output
    assert "scored on other images" not in planned.stdout
    assert "the fewest of 2 test sets" in planned.stdout

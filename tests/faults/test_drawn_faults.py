"""Ten faults of `benchmarks/faults.py --plain`: nothing is lost, done again, hung or left."""

from __future__ import annotations

from pathlib import Path

from drawn_faults import KINDS, trials


def test_ten_faults_drawn_at_random(tmp_path: Path) -> None:
    with trials(tmp_path, plain=True) as drawn:
        every = [drawn.trial(number, seed=22) for number in range(10)]
    assert {each.kind for each in every} == set(KINDS)
    assert [each for each in every if not each.held] == []
    assert sum(each.hit for each in every) >= 5
    assert sum(each.finished for each in every) > 0

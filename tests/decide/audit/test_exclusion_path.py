"""The loop over theta: what it flags, where it stops, and its control."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_audits import simulated_rows
from sklearn.metrics import roc_auc_score

from abl.decide.audit.exclusion_path import ExclusionRule, exclusion_path
from abl.decide.audit.kept_auc import KeptAuc
from abl.errors import InputError


def by_hand(rows: pd.DataFrame, out: set[str]) -> dict[str, float]:
    """Mean AUC by network without some images, by scikit-learn."""
    found: dict[str, list[float]] = {}
    for (network, _), run in rows[~rows["image"].isin(out)].groupby(["network", "run"]):
        if run["label"].nunique() == 2:
            found.setdefault(network, []).append(roc_auc_score(run["label"], run["p_1"]))
    return {network: float(np.mean(each)) for network, each in found.items()}


def flagged_by_hand(rows: pd.DataFrame, per_cent: int) -> set[str]:
    wrong = (rows["p_1"] >= 0.5) != rows["label"]
    counts = wrong.groupby(rows["image"]).agg(["sum", "count"])
    return set(counts.index[100 * counts["sum"] > per_cent * counts["count"]])


def test_it_stops_where_the_paper_s_loop_does() -> None:
    rows = simulated_rows()
    before, per_cent = by_hand(rows, set()), 90
    while True:
        out = flagged_by_hand(rows, per_cent)
        after = by_hand(rows, out)
        if np.mean([after[name] - before[name] for name in before]) >= 0.05:
            break
        per_cent -= 1
    found = exclusion_path(rows, draws=0)
    assert found.stopped == "kappa"
    assert found.theta == per_cent / 100
    for name in before:
        assert set(found.images[found.flagged[name]]) == out
        assert found.before[name] == pytest.approx(before[name])
        assert found.after[name] == pytest.approx(after[name])
    assert 0.05 <= found.improvement == pytest.approx(np.mean(list(found.improvements.values())))


def test_floor_and_cap_are_told() -> None:
    rows = simulated_rows()
    floor = exclusion_path(rows, ExclusionRule(kappa=1.0, cap=1.0, floor=0.8), draws=0)
    assert (floor.stopped, floor.theta) == ("floor", 0.8)
    cap = exclusion_path(rows, ExclusionRule(kappa=1.0, cap=0.1, floor=0.0), draws=0)
    assert cap.stopped == "cap"
    share = [each / 120 for each in cap.excluded.values()]
    assert max(share) <= 0.1
    nothing = exclusion_path(rows, ExclusionRule(theta=0.0, floor=0.0, cap=0.01), draws=0)
    assert nothing.stopped == "cap"
    assert nothing.excluded == {"net0": 0, "net1": 0}
    assert nothing.improvement == 0


def test_each_network_may_have_its_own_flags() -> None:
    rows = simulated_rows()
    rule = ExclusionRule(kappa=1.0, floor=0.6, cap=1.0, pooled=False)
    found = exclusion_path(rows, rule, draws=0)
    for name in ("net0", "net1"):
        own = rows[rows["network"] == name]
        assert set(found.images[found.flagged[name]]) == flagged_by_hand(own, 60)


def test_dropping_at_random_gains_nothing_and_flags_gain() -> None:
    found = exclusion_path(simulated_rows(seed=3), ExclusionRule(kappa=1.0, cap=1.0), draws=50)
    end = found.curve[found.curve["theta"] == 0.5].set_index("network")
    for name, before in found.before.items():
        line = end.loc[name]
        assert line["random_low"] <= before <= line["random_high"]
        assert line["auc"] > line["random_high"]
    again = exclusion_path(simulated_rows(seed=3), ExclusionRule(kappa=1.0, cap=1.0), draws=50)
    pd.testing.assert_frame_equal(found.curve, again.curve)


def test_bad_rules_and_runs_of_one_class_are_told() -> None:
    rows = simulated_rows()
    for rule in (ExclusionRule(theta=1.2), ExclusionRule(step=0), ExclusionRule(floor=0.95)):
        with pytest.raises(InputError):
            exclusion_path(rows, rule)
    with pytest.raises(InputError, match="net0"):
        exclusion_path(rows[rows["label"] == 1])


@given(
    st.lists(
        st.tuples(st.integers(0, 2), st.integers(0, 4), st.booleans()), min_size=1, max_size=30
    )
)
def test_auc_of_those_kept_is_scikit_learn_s(rows: list[tuple[int, int, bool]]) -> None:
    labels, score, kept = (np.array(column) for column in zip(*rows, strict=True))
    p = np.eye(3)[(score + np.arange(len(score))) % 3] * 0.5 + 0.5 / 3
    found = KeptAuc(labels, p).of(np.stack([kept, kept]))
    assert found[0] == found[1] or np.isnan(found).all()
    here = labels[kept]
    if len(set(here.tolist())) < 3:
        assert np.isnan(found[0])
    else:
        each = [roc_auc_score(here == k, p[kept, k]) for k in range(3)]
        assert found[0] == pytest.approx(np.mean(each))

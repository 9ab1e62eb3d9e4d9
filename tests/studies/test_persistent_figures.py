"""Figures of a persistent sweep: what they show, with two networks and six, few images and many."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from abl.decide.audit.appearances import appearances_of
from abl.decide.audit.error_rates import error_rates
from abl.decide.audit.exclusion_path import exclusion_path
from abl.decide.audit.expected_distribution import expected_shares
from abl.report.figures.style import figure_bytes, settle
from abl.studies.persistent.feature_columns import image_features
from abl.studies.persistent.feature_figure import feature_forest_figure
from abl.studies.persistent.features import JudgedImages, feature_rows
from abl.studies.persistent.figures import shares_figure, sorted_rates_figure
from abl.studies.persistent.network_figures import exclusion_figure, network_pairs_figure


def predictions_of(images: int, networks: int, runs: int = 6, seed: int = 0) -> pd.DataFrame:
    """Test predictions of images whose difficulty differs, some of which never learn."""
    rng = np.random.default_rng(seed)
    label = np.arange(images) % 2
    ease = rng.normal(1, 1.2, images) - 4 * (np.arange(images) % 20 == 3)
    parts = []
    for network in range(networks):
        for run in range(runs):
            at = np.flatnonzero(rng.random(images) < 0.7)
            own = 1 / (1 + np.exp(-(ease[at] + rng.normal(0, 0.8, len(at)))))
            p_1 = np.where(label[at] == 1, own, 1 - own)
            columns = {"image": [f"{each:04d}.png" for each in at], "label": label[at]}
            columns |= {"patient": [f"p{each // 2}" for each in at], "network": f"net{network}"}
            columns |= {"run": f"r{run}", "p_0": 1 - p_1, "p_1": p_1}
            parts.append(pd.DataFrame(columns))
    return pd.concat(parts, ignore_index=True)


def rows_of(predictions: pd.DataFrame, theta: float = 0.9) -> pd.DataFrame:
    found = appearances_of(predictions)
    rates = error_rates(found, theta)
    share = found.share_wrong
    table = {
        "image": found.images, "share": share, "flagged": share > theta,
        "error_rate": rates.mean, "low": rates.low, "high": rates.high,
    }  # fmt: skip
    for at, name in enumerate(found.networks):
        table |= {f"seen_{name}": found.seen[:, at], f"wrong_{name}": found.wrong[:, at]}
    return pd.DataFrame(table)


def texts_of(figure: Figure) -> list[str]:
    """What a figure says, drawn without a warning."""
    settle(figure)
    assert len(figure_bytes(figure, "png")) > 5_000
    found = [text.get_text() for place in figure.axes for text in place.texts]
    found += [place.get_title() for place in figure.axes]
    found += [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return [*found, figure.get_suptitle()]


@pytest.mark.parametrize(("images", "networks"), [(30, 2), (400, 6)])
@pytest.mark.filterwarnings("error")
def test_all_are_drawn_with_few_and_many(images: int, networks: int) -> None:
    predictions = predictions_of(images, networks)
    rows = rows_of(predictions)
    found = appearances_of(predictions)
    shares = shares_figure(expected_shares(found, error_rates(found)), 0.9)
    assert "expected, all images equally hard" in texts_of(shares)
    sorted_rates = sorted_rates_figure(rows, 0.9)
    assert f"Error rates of {images} images" in texts_of(sorted_rates)
    names = [label.get_text() for label in sorted_rates.axes[0].get_yticklabels()]
    assert ("0000.png" in names) == (images == 30)
    pairs = texts_of(network_pairs_figure(rows, 0.9))
    assert sum("rank corr." in text for text in pairs) == networks * (networks - 1) / 2
    path = exclusion_path(predictions, draws=10)
    excluded = exclusion_figure(path.curve, path.before, path.theta)
    assert {f"net{each}" for each in range(networks)} <= set(texts_of(excluded))
    assert "rises by construction" in excluded.get_suptitle()


def test_expected_shares_count_every_image_and_no_more() -> None:
    found = appearances_of(predictions_of(300, 2))
    table = expected_shares(found, error_rates(found))
    for name in ("observed", "equal", "fitted"):
        assert table[name].sum() == pytest.approx(300)
    assert (table["fitted_low"] <= table["fitted"]).all()
    assert (table["fitted"] <= table["fitted_high"]).all()
    # images that never learn lie beyond what equal difficulty gives
    last = table[table["low"] > 0.9].iloc[-1]
    assert last["observed"] > last["equal_high"]


def test_expected_shares_hold_where_the_null_is_true() -> None:
    rng = np.random.default_rng(0)
    outside, bins = 0, 0
    for _ in range(8):
        names = np.repeat(np.arange(200), 12)
        wrong = rng.random(len(names)) < 0.3
        predictions = pd.DataFrame({"image": names.astype(str), "label": 0, "network": "x"})
        found = appearances_of(predictions.assign(p_0=1.0 - wrong, p_1=wrong * 1.0))
        table = expected_shares(found, error_rates(found))
        known = table[table["equal"] > 1]
        out = (known["observed"] < known["equal_low"]) | (known["observed"] > known["equal_high"])
        outside, bins = outside + int(out.sum()), bins + len(known)
    assert outside / bins < 0.15


def test_one_network_has_no_pairs_and_nothing_flagged_no_curve() -> None:
    assert network_pairs_figure(rows_of(predictions_of(30, 1)), 0.9) is None
    curve = exclusion_path(predictions_of(30, 2), draws=2).curve.assign(excluded=0)
    assert exclusion_figure(curve, {"net0": 0.5, "net1": 0.5}, 0.9) is None
    assert shares_figure(pd.DataFrame(), 0.9) is None
    assert sorted_rates_figure(pd.DataFrame({"image": [], "share": []}), 0.9) is None


def test_what_lies_over_theta_is_not_called_flagged() -> None:
    """What is flagged, theta alone does not say: the cap or the posterior may decide."""
    found = appearances_of(predictions_of(60, 2))
    shares = shares_figure(expected_shares(found, error_rates(found)), 0.9)
    pairs = network_pairs_figure(rows_of(predictions_of(60, 2)), 0.9)
    assert "flag" not in f"{shares.get_label()} {pairs.get_label()} {texts_of(pairs)}"
    assert "more often than θ" in shares.get_label()


def test_known_wrong_labels_and_untested_images_are_said() -> None:
    rows = rows_of(predictions_of(30, 2)).assign(flipped=np.arange(30) % 20 == 3)
    rows.loc[0, "share"] = np.nan
    figure = sorted_rates_figure(rows, 0.9)
    assert "label known to be wrong" in texts_of(figure)
    assert "1 image in no test set: not drawn." in figure.get_label()


@pytest.mark.filterwarnings("error")
def test_forest_has_features_by_name_and_cuts_many() -> None:
    images = 200
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"column{n}": rng.integers(0, 5, images) for n in range(20)})
    frame = frame.assign(label=np.arange(images) % 2)
    features, _ = image_features(frame, ("benign", "malignant"))
    seen = np.full(images, 10)
    wrong = rng.binomial(seen, 0.3)
    judged = JudgedImages(
        frame["label"].to_numpy(), np.arange(images).astype(str), wrong > 5, wrong, seen,
        np.ones((1, images), dtype=bool),
    )  # fmt: skip
    rows = feature_rows(features, judged)
    few = texts_of(feature_forest_figure(rows[rows["feature"].isin(["class", "column0"])]))
    assert {"class", "column0", "odds ratio of being flagged"} <= set(few)
    grouped = feature_forest_figure(rows, "group")
    said = " ".join([*texts_of(grouped), grouped.get_label()])
    assert "too few groups for P" not in said  # all have their P
    rare = rows[rows["feature"] == "column0"].assign(p=np.nan)
    assert "too few groups for P" in texts_of(feature_forest_figure(rare, "group"))
    assert "all other groups" in said
    assert "patient" not in said
    many = feature_forest_figure(rows)
    assert "of 21 features, those with the smallest P first" in many.get_suptitle()
    assert feature_forest_figure(pd.DataFrame()) is None

"""Features, baselines and maps of a persistent sweep that was run: what a user is shown."""

from __future__ import annotations

import pandas as pd
import pytest
from transfer_sweeps import load, run

from abl.app.results import own_frames, recorded_files, study_tables
from abl.app.showing import shown_table
from abl.errors import InputError

PERSISTENT = {
    "name": "persistent",
    "study": "persistent",
    "data": {"phantom": {"patients": 24, "size": 32, "seed": 3, "flip": 0.2}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "splits": {"kind": "monte_carlo", "test": 0.3, "validation": 0.2},
    "replicates": {"repeats": 3, "seeds": [0]},
    "train": {"network": "plain4", "epochs": 2, "last_k": 1},
    "axes": {"network": ["plain4", "tiny_mobile"]},
    "base": {"network": "plain4"},
    "metrics": ["auc"],
    "primary": "auc",
    "resamples": 200,
}
GROUPS = {"histology": ["histology"], "ultrasound": ["margin", "shape"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The sweep with everything asked for, and its result."""
    folder = tmp_path_factory.mktemp("persistent")
    options = {"maps": True, "features": GROUPS, "kappa": -1, "theta": 0.6}
    sweep = load(folder, PERSISTENT, train={"dynamics": True}, options=options)
    return sweep, run(sweep)


def test_the_plan_says_what_maps_and_dynamics_take(finished) -> None:
    sweep, _ = finished
    said = " ".join(sweep.plan.notes)
    assert "options.maps: 6 trainings mapped on all test images" in said
    assert "train.dynamics: 6 trainings keep logits" in said


def test_features_are_those_asked_for_by_group(finished) -> None:
    sweep, result = finished
    own = own_frames(sweep.store, result.outcome)
    rows = own["features"]
    assert rows["feature"].drop_duplicates().tolist() == ["class", "histology", "margin", "shape"]
    by_group = rows.groupby("feature")["images"].sum()
    assert by_group.nunique() == 1  # every image has one value of each
    images = own["images"]
    assert rows[rows["feature"] == "class"]["flagged_images"].sum() == images["flagged"].sum()
    # mean share of training sets is that of the splits, which are stratified
    known = rows[rows["feature"] == "class"].set_index("value")
    assert known["training_share"].sum() == pytest.approx(1)
    tables = study_tables(result.outcome, own)
    assert {"features", "rare_features", "baselines", "maps"} <= set(tables)
    assert tables["features"].rows[0][0].text == "class"


def test_baselines_stand_beside_the_default_order(finished) -> None:
    sweep, result = finished
    rows = own_frames(sweep.store, result.outcome)["baselines"].set_index("score")
    assert rows.index[0] == "label score, out of fold (default order)"
    assert rows["rank_correlation"].iloc[0] == pytest.approx(1)
    assert {"cartography: low confidence", "Data-IQ: aleatoric", "AUM", "forgetting events"} <= set(
        rows.index
    )
    assert rows["average_precision"].between(0, 1).all()
    assert (rows["low"] <= rows["average_precision"]).all()
    assert rows["chance"].nunique() == 1


def test_maps_are_of_each_network_with_as_many_right_images(finished) -> None:
    sweep, result = finished
    rows = own_frames(sweep.store, result.outcome)["maps"].set_index("network")
    assert set(rows.index) == {"plain4", "tiny_mobile"}
    assert rows["flagged"].between(0, 1).all()
    assert (rows["images_others"] <= rows["images_flagged"].max()).all()


def test_figures_and_frames_are_kept_and_recorded(finished) -> None:
    _, result = finished
    files = set(recorded_files(result.folder))
    for name in ("image_shares", "image_rates", "network_pairs", "features", "maps"):
        assert f"{name}.png" in files
    assert {"features.parquet", "baselines.parquet", "maps.parquet"} <= files
    report = (result.folder / "report.html").read_text(encoding="utf-8")
    assert "by the share of their test appearances in which they are misclassified" in report


def test_the_report_names_figures_in_words(finished) -> None:
    _, result = finished
    report = (result.folder / "report.html").read_text(encoding="utf-8")
    for title in ("How often images are misclassified", "Error rates of images"):
        assert f">{title}<" in report
    assert ">image shares<" not in report


def test_other_features_of_the_same_trainings_are_shown(finished) -> None:
    sweep, _ = finished
    folder = sweep.store.root.parent.parent
    options = {"maps": True, "features": {"only": ["sex"]}, "kappa": -1, "theta": 0.6}
    again = run(load(folder, PERSISTENT, train={"dynamics": True}, options=options))
    rows = own_frames(sweep.store, again.outcome)["features"]
    assert rows["feature"].drop_duplicates().tolist() == ["class", "sex"]


def test_columns_that_are_not_there_are_told_with_their_line(tmp_path) -> None:
    options = {"features": {"histology": ["histologie"]}}
    with pytest.raises(InputError) as error:
        load(tmp_path, PERSISTENT, options=options).plan  # noqa: B018
    (problem,) = error.value.problems
    assert "no column 'histologie' in phantom" in problem.message
    assert "histology" in problem.message
    assert problem.line


def test_without_being_asked_there_are_no_maps_and_no_baselines(tmp_path) -> None:
    plan = load(tmp_path, PERSISTENT).plan
    assert {stage.kind for stage in plan.stages.values()} == {"train"}
    assert isinstance(plan.notes, list)
    assert not pd.Series(plan.notes).str.contains("options.maps|train.dynamics").any()


def test_what_was_not_asked_for_or_flags_nothing_is_told(tmp_path) -> None:
    options = {"maps": True, "cap": 0}
    smaller = {"data": {"phantom": {"patients": 16, "size": 32, "seed": 3}}, "metrics": ["auc"]}
    sweep = load(tmp_path, {**PERSISTENT, **smaller}, options=options)
    result = run(sweep)
    notes = " ".join(result.outcome.notes)
    assert "No image is flagged: no maps are compared." in notes
    over = int(result.outcome.facts.study["persistence"][0]["expected"]["flagged"])
    assert (f"(the {over} that are would pass the cap, 0 % of the" in notes) == (over > 0)
    for table, said in (("maps", "where no image is flagged"), ("baselines", "dynamics: true")):
        with pytest.raises(InputError, match=said):
            shown_table(sweep.store, "persistent", show=table)
    with pytest.raises(InputError, match=r"valid: .*rare_features"):
        shown_table(sweep.store, "persistent", show="zzzz")

"""Sweeps with a search, trained for real on a tiny set."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from searched_sweeps import HYPER, SPACE, merged, written

from abl import api
from abl.app.results import kept_searches
from abl.errors import InputError
from abl.record.store import Store
from abl.studies.contract import Study, studies
from abl.studies.searching.tuned_study import TunedStudy
from tiny_sweeps import TINY, Heard, write_tiny_set


@pytest.fixture(autouse=True)
def _undrawn(monkeypatch):
    """Figures take longer than the searches; tests/report draws them."""
    monkeypatch.setattr("abl.app.session.draw_outcome", lambda *given: None)


@pytest.fixture
def folder(tmp_path):
    write_tiny_set(tmp_path / "images")
    return tmp_path


def run(folder: Path, changes=None, root="mlruns", **more):
    sweep = api.load(written(folder, changes), root=folder / root)
    return api.run(sweep, executor="local", record=False, **more)


def searches_of(result, folder, root="mlruns"):
    return kept_searches(Store(folder / root / "store"), result.outcome)


def test_the_tuned_arm_stands_beside_the_fixed_one(folder):
    result = run(folder)
    fixed, tuned = result.outcome.arms
    assert [fixed.params["settings"], tuned.params["settings"]] == ["fixed", "tuned"]
    assert fixed.params["chosen"] == ""
    assert "lr" in tuned.params["chosen"]
    assert tuned.comparison is not None
    points = searches_of(result, folder).points
    assert len(points) == 6
    # the settings of the file are the first point, so that the best is on validation no worse
    first = points.iloc[0]
    assert first["param:train.optimizer.lr"] == 0.05
    best = points[points["chosen"]].iloc[0]
    assert best["value_0"] >= first["value_0"]
    assert best["value_0"] == points["value_0"].max()
    (fact,) = result.outcome.facts.searches
    assert fact["optimism"] == pytest.approx(fact["best"] - fact["test"])
    # a momentum is searched for under sgd alone
    sgd = points["param:train.optimizer.name"] == "sgd"
    assert points.loc[sgd, "param:train.optimizer.momentum"].notna().all()
    assert points.loc[~sgd, "param:train.optimizer.momentum"].isna().all()


def test_a_search_that_was_kept_before_is_the_same_study(folder, monkeypatch):
    """The key of today's settings, as it was before settings of samplers were said."""
    from abl.search import samplers
    from abl.studies.searching import sweep_growth

    def key(root):
        # as splits were drawn then
        sweep = api.load(written(folder, {"splits": {"draw": 1}}), root=folder / root)
        growth = sweep.study.grow(sweep.file, sweep.plan, sweep.workspace, print)
        growth.close()
        (search,) = growth.searches.values()
        return search.kept.key

    monkeypatch.setattr(sweep_growth, "version", lambda package: "5.0.0")
    kept = key("mlruns")
    assert kept.startswith("5a89b9e79c17")
    monkeypatch.setattr(samplers, "tpe_settings", lambda objectives: {"multivariate": False})
    assert key("other") != kept


def test_the_same_command_again_trains_nothing_and_prints_the_same(folder):
    first, again = run(folder), run(folder)
    assert first.report.ran
    assert not again.report.ran
    assert api.table(first) == api.table(again)


def test_a_loaded_sweep_can_be_run_twice(folder):
    sweep = api.load(written(folder), root=folder / "mlruns")
    first, again = (api.run(sweep, executor="local", record=False) for _ in range(2))
    assert api.table(first) == api.table(again)
    # as text: what is not defined is equal to nothing
    assert repr(first.outcome.facts) == repr(again.outcome.facts)


class _BrokenOffError(BaseException):
    pass


class _Breaks(Heard):
    """Ends the run when so many stages are finished, as a killed driver would."""

    def __init__(self, after: int):
        super().__init__()
        self._after = after

    def finished(self, stage, seconds, reused):
        super().finished(stage, seconds, reused)
        if len(self.finished_labels) == self._after:
            raise _BrokenOffError


@pytest.mark.parametrize("after", [1, 4, 8, 11])
def test_a_broken_search_goes_on_with_the_same_points(folder, after):
    whole = run(folder, root="whole")
    with pytest.raises(_BrokenOffError):
        run(folder, root="broken", listener=_Breaks(after))
    rest = run(folder, root="broken")
    assert api.table(rest) == api.table(whole)
    assert (
        searches_of(rest, folder, "broken").points.to_json()
        == searches_of(whole, folder, "whole").points.to_json()
    )


def test_more_trials_keep_the_points_there_are(folder):
    few, many = run(folder), run(folder, {"search": {"trials": 9}})
    points = searches_of(few, folder).points
    more = searches_of(many, folder).points
    columns = [name for name in points if name.startswith(("param:", "value"))]
    assert more[columns].iloc[:6].to_json() == points[columns].to_json()


def test_a_changed_space_starts_with_the_old_points(folder):
    old = searches_of(run(folder), folder).points
    heard = Heard()
    new = run(folder, {"search": {"space": {"train.epochs": [2, 3]}}}, listener=heard)
    points = searches_of(new, folder).points
    assert any("space has changed" in text for text in heard.messages)
    # all six lie in the new space, with the epochs of the file; the first is the file's own
    assert len(points) == 5 + 6
    assert set(old["param:train.optimizer.lr"]) <= set(points["param:train.optimizer.lr"][:6])
    assert set(points["param:train.epochs"][:6]) == {3}
    # and none of their trainings is run again
    trained = [label for label in heard.finished_labels if label.startswith("train")]
    assert len(trained) <= 6 * 3


def test_every_arm_gets_the_same_search(folder):
    result = run(
        folder,
        {
            "study": "two_step",
            "options": TINY["options"],
            "axes": {"consensus": [1], "rule": ["original", "model1"], "threshold": [0.5]},
            "base": {"rule": "original"},
            "search": {"trials": 3},
        },
    )
    outcome = result.outcome
    assert [arm.params["settings"] for arm in outcome.arms] == ["fixed", "tuned"] * 2
    facts = outcome.facts.searches
    assert [each["points"] for each in facts] == [3, 3]
    assert len({each["search"] for each in facts}) == 2
    # tuned arms are compared with the tuned base, fixed ones with the fixed
    compared = [arm for arm in outcome.arms if arm.params["rule"] == "model1"]
    assert len(compared) == 2
    for arm in compared:
        assert arm.comparison is not None
        assert arm.params["settings"] in arm.comparison.base


def test_searched_for_the_base_alone_is_said_to_be_unfair(folder):
    result = run(
        folder,
        {
            "axes": {"train.epochs": [2, 3]},
            "base": {"train.epochs": 3},
            "search": {"tune_each_arm": False, "trials": 3},
        },
    )
    chosen = {arm.params["chosen"] for arm in result.outcome.arms}
    assert len(chosen) == 2  # nothing for fixed arms, one choice for all others
    assert len(result.outcome.facts.searches) == 1
    assert any("no fair comparison" in note for note in result.outcome.notes)


def test_nested_searches_choose_for_each_split_alone(folder):
    result = run(folder, {"search": {"scope": "by_split", "trials": 3}})
    facts = result.outcome.facts.searches
    assert [each["chosen"][0]["fold"] for each in facts] == [0, 1, 2]
    assert not any("too good" in note for note in result.outcome.notes)
    tuned = result.outcome.arms[1]
    assert tuned.cells["auc"].count == 3
    assert tuned.replicates["fold"].tolist() == [0, 1, 2]
    assert tuned.comparison is not None


def test_searches_that_end_in_another_order_give_the_same_table(folder, monkeypatch):
    nested = {"search": {"scope": "by_split", "trials": 3}}
    arms = run(folder, nested).outcome.arms
    from abl.studies.searching import tuned_study

    made = tuned_study.searched_arms
    monkeypatch.setattr(tuned_study, "searched_arms", lambda *given: made(*given)[::-1])
    other = run(folder, nested, root="other").outcome.arms
    assert [arm.cells for arm in other] == [arm.cells for arm in arms]
    assert repr([arm.comparison for arm in other]) == repr([arm.comparison for arm in arms])


def test_a_shared_choice_says_what_it_has_seen(folder):
    notes = " ".join(run(folder).outcome.notes)
    assert "validation images of another split" in notes
    alone = run(folder, {"splits": {"kind": "holdout", "test": 0.3, "validation": 0.3}})
    assert "validation images of another split" not in " ".join(alone.outcome.notes)


def test_a_choice_keeps_its_constraints(folder):
    kept = run(folder, {"search": {"constraints": [{"metric": "sen", "at_least": 0.5}]}})
    points = searches_of(kept, folder).points
    best = points[points["chosen"]].iloc[0]
    assert best["feasible"]
    assert best["constraint_0"] <= 0
    none = run(
        folder,
        {
            "search": {
                "constraints": [
                    {"metric": "sen", "at_least": 1.0},
                    {"metric": "spe", "at_least": 1.0},
                ]
            }
        },
    )
    assert "constraints" in none.outcome.arms[1].failed
    assert "Nothing was chosen." in " ".join(none.outcome.notes)
    assert not none.outcome.arms[0].failed


def test_several_objectives_give_a_front(folder):
    result = run(folder, {"search": {"objectives": ["sen", "spe"], "sampler": "nsga2"}})
    points = searches_of(result, folder).points
    front = points[points["front"]]
    assert len(front)
    for _, point in front.iterrows():
        better = (points["value_0"] > point["value_0"]) & (points["value_1"] > point["value_1"])
        assert not better.any()
    assert front["value_0"].max() == points[points["chosen"]].iloc[0]["value_0"]


def test_a_grid_tries_every_point_once(folder):
    space = {
        "train.optimizer.lr": {"from": 0.01, "to": 0.1, "log": True, "steps": 3},
        "train.optimizer.name": SPACE["train.optimizer.name"]
        | {"when": {"sgd": {"train.optimizer.momentum": [0.0, 0.9]}}},
    }
    sweep = merged(merged(TINY, HYPER), {"search": {"sampler": "grid", "trials": 100}})
    sweep["search"]["space"] = space
    path = folder / "grid.yaml"
    path.write_text(json.dumps(sweep), encoding="utf-8")
    loaded = api.load(path, root=folder / "mlruns")
    result = api.run(loaded, executor="local", record=False)
    points = searches_of(result, folder).points
    assert len(points) == 3 * (1 + 2)
    assert not points.filter(like="param:").astype(str).duplicated().any()


def test_hopeless_trainings_stop_and_can_go_on_later(folder):
    slow = {"train": {"epochs": 8}, "search": {"trials": 12, "generation": 4, "prune": None}}
    stopping = merged(slow, {"search": {"stop_early": {"rule": "median", "after": 2}}})
    stopped = run(folder, stopping)
    points = searches_of(stopped, folder).points
    assert (points["state"] == "stopped").any()
    # a stopped training is not a finished one
    facts = stopped.outcome.facts.searches[0]
    assert facts["trainings"] < facts["trainings_without"]
    again = run(folder, stopping)
    assert not again.report.ran
    assert searches_of(again, folder).points.to_json() == points.to_json()
    # without the rule they go on from where they were, to what they would have been
    run(folder, slow)
    fresh = run(folder, slow, root="fresh")
    went_on, whole = (Store(folder / root / "store") for root in ("mlruns", "fresh"))
    both = set(went_on.digests()) & set(whole.digests())
    assert went_on.content(both) == whole.content(both)
    lost = points.loc[points["state"] == "stopped", "param:train.optimizer.lr"]
    known = searches_of(fresh, folder, "fresh").points["param:train.optimizer.lr"]
    assert set(lost) & set(known)


def test_a_diverged_point_is_no_result_and_fails_no_arm(folder):
    wild = {"search": {"space": {"train.optimizer.lr": {"from": 1e-3, "to": 1e30, "log": True}}}}
    result = run(folder, merged(wild, {"search": {"trials": 8, "generation": 4}}))
    points = searches_of(result, folder).points
    failed = points["state"] == "failed"
    assert failed.any()
    assert points.loc[failed, "value_0"].isna().all()
    assert not result.report.failed
    again = run(folder, merged(wild, {"search": {"trials": 8, "generation": 4}}))
    assert not again.report.ran
    assert searches_of(again, folder).points.to_json() == points.to_json()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"search": {"space": {"train.optimizer.lrr": [1, 2]}}}, "lrr"),
        ({"search": {"space": {"train.optimizer.lr": [-1.0, 0.1]}}}, "greater than 0"),
        ({"search": {"space": {"rule": ["a", "b"]}}}, "cannot be searched"),
        ({"search": {"space": {"splits.folds": [2, 3]}}}, "cannot be searched"),
        ({"search": {"space": {"network": ["no_such_net", "cnn1"]}}}, "no_such_net"),
        ({"search": {"objectives": ["accc"]}}, "accc"),
        ({"search": {"constraints": [{"metric": "sen"}]}}, "at_least or at_most"),
        ({"search": {"sampler": "grid"}}, "grid needs steps (or choices) for 'train.optimizer.lr'"),
        ({"search": {"space": {"modality": ["first", "second"]}}}, "list its values under axes"),
        (
            {
                "search": {
                    "start": [
                        {
                            "train.optimizer.lr": 0.1,
                            "train.optimizer.name": "adam",
                            "train.optimizer.momentum": 0.5,
                        }
                    ]
                }
            },
            "point 1 is no point of the space: train.optimizer.momentum is not used beside",
        ),
        ({"search": {"objectives": ["auc", "auc"]}}, "each metric may be given once"),
        ({"search": {"space": None}}, "'search.space' is missing"),
        ({"search": {"constraints": [{"metric": "sen", "at_least": 95}]}}, "write 0.95"),
        ({"search": {"space": {"train.optimizer.momentum": [0.1, 0.9]}}}, "given twice"),
        ({"search": {"space": {"train.epochs": {"from": 1, "to": 3}}}}, "add integer: true"),
        ({"search": {"space": {"train.augment.flip": {"from": 0, "to": 1}}}}, "[yes, no]"),
        ({"search": {"space": {"train.augment.crop": [1, 1.0]}}}, "1.0 is given twice"),
        ({"search": {"space": {"train.augment.crop": [1]}}}, "single choice"),
        ({"search": {"space": {"train.optimiser.lr": [1, 2]}}}, "did you mean 'optimizer'?"),
        ({"search": {"sampler": "tpee"}}, "tpe"),
        ({"search": {"start": [{"train.optimizer.lr": 9.0}]}}, "start"),
        ({"search": {"start": [{"train.epochs": 9}]}}, "'train.epochs' is not searched"),
        ({"axes": {"train.optimizer.lr": [0.1, 0.2]}}, "is an axis of this sweep too"),
        ({"axes": {"settings": ["fixed"]}}, "settings"),
        ({"search": {"space": {"train.epochs": {"from": 5, "to": 2}}}}, "must be below"),
        ({"search": {"scope": "by_split", "space": {"options.epochs": [1, 2]}}}, "by_split"),
    ],
)
def test_a_search_that_cannot_be_is_told_with_its_line(folder, changes, said):
    with pytest.raises(InputError) as caught:
        api.load(written(folder, changes), root=folder / "mlruns")
    lines = str(caught.value).splitlines()
    assert said in lines[0]
    assert len(lines) == 1  # each mistake is told once
    assert lines[0].startswith(f"{folder}/sweep.yaml:")
    assert not (folder / "mlruns").exists()


@pytest.mark.parametrize(
    ("url", "why"),
    [("sqlite:////no/such/folder/a.db", "unable to open"), ("foo://u:secret@x/y", "foo")],
)
def test_a_database_that_cannot_be_used_is_told_first(folder, monkeypatch, url, why):
    monkeypatch.setenv("ABL_SEARCH_STORAGE", url)
    with pytest.raises(InputError) as caught:
        run(folder)
    assert "ABL_SEARCH_STORAGE" in str(caught.value)
    assert why in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not (folder / "mlruns").exists()


def test_a_plan_says_what_a_grid_leaves_out(folder):
    space = {
        "train.optimizer.lr": {"from": 1e-3, "to": 0.1, "steps": 3},
        "train.optimizer.name": ["adam", "sgd"],
    }
    changes = {"search": {"space": space, "sampler": "grid", "trials": 2}}
    plan = api.load(written(folder, changes), root=folder / "mlruns").plan
    assert any("at most 2 of 6 points (grid)" in note for note in plan.notes)
    changes["search"]["sampler"] = "tpe"
    plan = api.load(written(folder, changes), root=folder / "mlruns").plan
    assert any("steps of a range are used by sampler: grid alone" in note for note in plan.notes)


def test_a_hyper_study_without_search_is_refused(folder):
    with pytest.raises(InputError, match="needs a search"):
        api.load(written(folder, {"search": None}), root=folder / "mlruns")


# workers know no network of these tests, but that of a file beside the sweep
MODULE = """
from torch import nn
from abl.nets.registry import network

@network("nine_means")
def nine_means(classes, channels, image_size):
    return nn.Sequential(nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(9 * channels, classes))
"""


@pytest.mark.cluster
def test_two_workers_ask_what_one_asks(folder, two_cpu_ray):
    (folder / "mine.py").write_text(MODULE, encoding="utf-8")
    own = {"module": "mine.py", "train": {"network": "nine_means"}}
    alone = run(folder, own, root="alone")
    sweep = api.load(written(folder, own), root=folder / "beside")
    beside = api.run(sweep, executor="tune", record=False)
    assert not beside.report.failed
    assert api.table(beside) == api.table(alone)
    assert (
        searches_of(beside, folder, "beside").points.to_json()
        == searches_of(alone, folder, "alone").points.to_json()
    )


@pytest.mark.parametrize("name", sorted(studies()))
def test_a_study_with_a_search_says_all_that_the_study_says(name: str) -> None:
    inner = studies()[name]
    tuned = TunedStudy(inner)
    told = [each for each in inspect.get_annotations(Study) if not each.startswith("_")]
    assert {"axes", "departures", "analysed_with"} <= set(told)
    # which tables may be absent is asked of the study itself
    lacking = {each for each in told if not hasattr(tuned, each)}
    assert lacking <= {"absent_tables"}
    assert all(getattr(tuned, each) == getattr(inner, each) for each in set(told) - lacking)

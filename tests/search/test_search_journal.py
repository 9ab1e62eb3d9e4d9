from __future__ import annotations

import json
import re
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import abl
from abl.decide import chooser as decision_search
from abl.decide.chooser import DecisionOptions, pareto_front
from abl.decide.curves import best_threshold
from abl.decide.decision import Decision, decide, expected_cost
from abl.decide.metric_names import scores
from abl.errors import InputError
from abl.search import samplers
from abl.search.generations import Asking, Generations, Told
from abl.search.journal import search
from abl.search.space import Choices, Range

SPACE = {
    "rate": Range(1e-5, 1e-1, log=True),
    "depth": Range(1, 9, integer=True),
    "optimizer": Choices(("adam", "sgd")),
}


def search_decision(
    labels,
    predictions,
    rule,
    space,
    objectives,
    *,
    trials=200,
    sampler="tpe",
    seed=0,
    costs=None,
    **more,
):
    options = DecisionOptions(space, objectives, trials, sampler, seed, costs)
    return decision_search.search_decision(labels, predictions, rule, options, **more)


def validation(seed: int, images: int = 500, classes: int = 2, skill: float = 1.2):
    """Networks that agree on most images, the true one better where the original is unsure."""
    rng = np.random.default_rng([seed, images])
    labels = rng.integers(0, classes, images)
    shared = rng.normal(size=(images, classes))

    def predictions(own: float):
        logits = 2 * shared + own * rng.normal(size=(images, classes))
        logits += skill * np.eye(classes)[labels]
        p = np.exp(logits - logits.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    return labels, {"original": predictions(1.0), "true": predictions(1.5), "false": predictions(3)}


def searched(evaluate, *, trials, storage=None, study="", **asking):
    return search(
        Asking(SPACE, ["maximize"], **asking), evaluate, trials=trials, storage=storage, study=study
    )


def quality(point):
    """Best at rate 1e-3, depth 5, sgd."""
    away = abs(np.log10(point["rate"]) + 3) + abs(point["depth"] - 5) / 4
    return (-away - (point["optimizer"] == "adam"),)


class BrokenOffError(Exception):
    pass


def broken_off_after(count: int):
    done = []

    def evaluate(point):
        if len(done) == count:
            raise BrokenOffError
        done.append(point)
        return quality(point)

    return evaluate, done


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_a_study_broken_off_goes_on_as_if_it_had_not_been(tmp_path, sampler):
    options = {"trials": 50, "sampler": sampler, "seed": 3}
    unbroken = searched(quality, **options)
    assert len(unbroken) == 50
    for stop in (0, 7, 20, 33):
        file = tmp_path / f"{stop}.journal"
        evaluate, done = broken_off_after(stop)
        with pytest.raises(BrokenOffError):
            searched(evaluate, **options, storage=file)
        assert len(done) == stop
        evaluate, done = broken_off_after(1000)
        continued = searched(evaluate, **options, storage=file)
        assert continued == unbroken
        # what is finished is not done again
        assert len(done) == 50 - stop


def test_a_longer_search_begins_with_the_shorter_one(tmp_path):
    file = tmp_path / "journal"
    short = searched(quality, trials=30, storage=file)
    longer = searched(quality, trials=70, storage=file)
    assert longer[:30] == short
    assert longer == searched(quality, trials=70)
    assert searched(quality, trials=10, storage=file) == short[:10]


def test_a_process_killed_while_writing_costs_one_trial(tmp_path):
    file = tmp_path / "journal"
    whole = searched(quality, trials=30, storage=file)
    file.write_bytes(file.read_bytes()[:-40])
    evaluate, done = broken_off_after(1000)
    assert searched(evaluate, trials=30, storage=file) == whole
    assert len(done) == 1


@pytest.mark.parametrize(
    "content", [b"image,label\na,0\n", b'{"name": "a"}\n', b'{"name": "a"}', b"notes", b"\xff\n"]
)
def test_another_file_is_refused_and_left_as_it_is(tmp_path, content):
    file = tmp_path / "f.csv"
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"f\.csv: is not the journal of a search"):
        searched(quality, trials=5, storage=file)
    assert file.read_bytes() == content
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(InputError, match="is not the journal of a search"):
        searched(quality, trials=5, storage=tmp_path)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no folder here that takes no file")
def test_a_journal_that_cannot_be_written_is_told():
    with pytest.raises(InputError, match=r"/proc/journal: cannot be written"):
        searched(quality, trials=5, storage=Path("/proc/journal"))


def test_other_settings_are_another_study_in_the_same_file(tmp_path):
    file = tmp_path / "journal"
    searched(quality, trials=5, storage=file)
    for change in ({"seed": 1}, {"sampler": "random"}, {"study": "other data"}):
        evaluate, done = broken_off_after(1000)
        searched(evaluate, trials=5, storage=file, **change)
        assert len(done) == 5


def test_a_search_is_known_by_what_it_asks_and_found_again_as_it_was_kept(tmp_path, monkeypatch):
    import optuna

    monkeypatch.setattr(optuna, "__version__", "5.0.0")

    def name_of(file):
        searched(quality, trials=1, storage=tmp_path / file)
        return json.loads((tmp_path / file).read_text(encoding="utf-8").split("\n")[0])[
            "study_name"
        ]

    # before the settings of samplers were said
    kept = "10fc93701841e508bb32067b9b134dfb71bc7cc534d6151390153e554225ccb9"
    assert name_of("kept") == kept
    monkeypatch.setattr(samplers, "tpe_settings", lambda objectives: {"multivariate": False})
    assert name_of("other") != kept


def test_undefined_trials_are_kept_and_not_told_as_values(tmp_path):
    file = tmp_path / "journal"

    def half_defined(point):
        return quality(point) if point["optimizer"] == "sgd" else None

    found = searched(half_defined, trials=40, storage=file)
    assert {each.values is None for each in found} == {True, False}
    assert searched(half_defined, trials=40, storage=file) == found


def test_points_stay_in_their_space_and_the_known_ones_come_first():
    start = [{"rate": 1e-2, "depth": 2, "optimizer": "adam"}]
    found = searched(quality, trials=60, start=start)
    assert found[0].point == start[0]
    for each in found:
        assert 1e-5 <= each.point["rate"] <= 1e-1
        assert each.point["depth"] in range(1, 10)
        assert each.point["optimizer"] in ("adam", "sgd")
    assert max(each.values for each in found) > (-0.6,)


def test_generations_can_be_told_from_elsewhere():
    """A search whose trials are trainings: values come from a store, in any number of sittings."""
    first = Generations(Asking(SPACE, ["maximize"], seed=5))
    asked = [first.ask()]
    with pytest.raises(ValueError, match="before asking"):
        first.ask()
    first.tell([quality(point) for point in asked[0]])
    asked.append(first.ask())
    again = Generations(Asking(SPACE, ["maximize"], seed=5))
    assert again.ask() == asked[0]
    again.tell([quality(point) for point in asked[0]])
    assert again.ask() == asked[1]


def asked_when(told, objectives=1, **asking):
    """The points of four generations."""
    directions = ["maximize", "minimize"][:objectives]
    generations = Generations(Asking(SPACE, directions, **{"size": 8, **asking}))
    points = []
    for _ in range(4):
        asked = generations.ask()
        points += asked
        generations.tell([told(point) for point in asked])
    return points


@pytest.mark.parametrize("objectives", [1, 2])
def test_other_defaults_of_a_newer_optuna_ask_the_same_points(monkeypatch, objectives):
    import optuna

    def told(point):
        return (*quality(point), point["rate"])[:objectives]

    points = asked_when(told, objectives)
    monkeypatch.setattr(
        optuna.samplers,
        "TPESampler",
        partial(optuna.samplers.TPESampler, multivariate=objectives > 1, constant_liar=False),
    )
    assert asked_when(told, objectives) == points


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp"])
@pytest.mark.filterwarnings("error")
def test_a_constraint_leads_to_points_that_keep_it(sampler):
    def told(point):
        return Told(quality(point), constraints=(3.5 - point["depth"],))

    def unbound(point):
        return Told(quality(point))

    kept, free = (
        [point["depth"] > 3 for point in asked_when(told, sampler=sampler, seed=2)]
        for told in (told, unbound)
    )
    assert kept[:8] == free[:8]
    assert sum(kept) > sum(free)


def test_an_unknown_sampler_is_told():
    with pytest.raises(InputError, match="did you mean 'tpe'"):
        Generations(Asking(SPACE, ["maximize"], sampler="tpee"))
    assert Generations(Asking(SPACE, ["maximize"], sampler="cmaes")).ask()


@pytest.mark.parametrize(
    ("metric", "rule"), [("f1", "model1"), ("balanced_acc", "model2"), ("auc", "model1")]
)
def test_in_one_dimension_it_comes_near_the_exact_solution_and_never_past_it(metric, rule):
    for seed, images in ((0, 500), (1, 800), (2, 1500)):
        labels, predictions = validation(seed, images)
        exact = best_threshold(labels, predictions, rule, metric)
        found = search_decision(
            labels, predictions, rule, ["threshold"], [metric], trials=200, seed=seed
        )
        assert exact.value - 1e-3 <= found.values[0] <= exact.value + 1e-12
        final, sent = decide(found.decision, predictions)
        assert scores([metric], labels, final)[metric] == found.values[0]
        assert sent.mean() == found.share


def test_it_is_never_worse_than_the_known_decisions():
    labels, predictions = validation(4, 300)
    space = ["threshold", "weight", "cutoff", "false_threshold"]
    found = search_decision(labels, predictions, "model1", space, ["f1"], trials=20)
    known = [
        Decision("model1", threshold, weight=weight)
        for threshold in (0.0, 0.9, "always")
        for weight in (0.5, 1.0)
    ]
    known.append(Decision("model1", 0.9, false_threshold=0.1))
    for each in known:
        final, _ = decide(each, predictions)
        assert found.values[0] >= scores(["f1"], labels, final)["f1"]


def test_more_freedom_finds_more():
    labels, predictions = validation(5, 400)
    exact = best_threshold(labels, predictions, "model1", "f1")
    given = Decision("model1", exact.threshold)
    space = ["class_thresholds", "weight", "cutoff"]
    found = search_decision(labels, predictions, "model1", space, ["f1"], trials=200, start=[given])
    assert found.values[0] > exact.value
    assert isinstance(found.decision.threshold, tuple)
    assert {"threshold_0", "threshold_1", "weight"} <= set(found.trials.columns)
    assert len(found.trials) == 200


def test_of_equal_decisions_the_one_that_sends_fewest_is_taken():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4], [0.45, 0.55]])
    labels = [0, 1, 0, 1]
    found = search_decision(
        labels, {"original": p, "true": p}, "model1", ["threshold"], ["acc"], trials=20
    )
    assert found.values == (1.0,)
    assert (found.decision.threshold, found.share) == (0.0, 0.0)


def test_costs_move_the_cut_off():
    labels, predictions = validation(6, 600)
    cut = {}
    for missed in (1, 20):
        costs = [[0, 1], [missed, 0]]
        found = search_decision(
            labels, predictions, "original", ["cutoff"], ["cost"], trials=100, costs=costs
        )
        final, _ = decide(found.decision, predictions)
        assert expected_cost(labels, final, costs) == found.values[0]
        plain = expected_cost(labels, predictions["original"], costs)
        assert found.values[0] <= plain
        cut[missed] = found.decision.cutoff
    assert cut[20] < cut[1]


def test_two_objectives_give_a_front():
    labels, predictions = validation(7, 500)
    found = search_decision(
        labels, predictions, "model2", ["threshold", "weight"], ["acc", "share"],
        trials=120, sampler="nsga2",
    )  # fmt: skip
    front = found.trials[found.trials["front"]]
    assert len(front) > 3
    for _, row in front.iterrows():
        better = (found.trials["value_0"] >= row["value_0"]) & (
            found.trials["value_1"] <= row["value_1"]
        )
        strictly = (found.trials["value_0"] > row["value_0"]) | (
            found.trials["value_1"] < row["value_1"]
        )
        assert not (better & strictly).any()
    assert found.values[0] == found.trials["value_0"].max()
    # doing nothing is on every front whose second objective is the share
    assert front["share"].min() == 0


def test_the_front_of_hand_made_values():
    values = np.array([[1, 0], [2, -1], [1, -1], [2, -1], [np.nan, 5], [0, 0]])
    assert pareto_front(values).tolist() == [True, True, False, True, False, False]


def test_three_classes_are_searched_too():
    labels, predictions = validation(8, 200, classes=3)
    found = search_decision(
        labels, predictions, "model1", ["class_thresholds", "weight"], ["acc"], trials=60
    )
    assert len(found.decision.thresholds) == 3
    with pytest.raises(InputError, match="for two classes"):
        search_decision(labels, predictions, "model1", ["threshold", "cutoff"], ["acc"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"space": ["thresold"]}, "did you mean 'threshold'"),
        ({"space": ["threshold", "class_thresholds"]}, "not both"),
        ({"space": []}, "over nothing"),
        ({"space": ["weight"]}, "needs a threshold, searched or given"),
        ({"rule": "average", "space": ["threshold"]}, "'average' has no threshold"),
        ({"rule": "original", "space": ["weight"]}, "mixes no two networks"),
        ({"objectives": ["cost"]}, "needs costs"),
        ({"objectives": ["f1", "acc", "auc"]}, "give one, or two"),
        ({"objectives": ["calibration_slope"]}, "best between its ends"),
        ({"objectives": ["f2"]}, "unknown metric 'f2'"),
    ],
)
def test_what_cannot_be_searched_is_told(change, said):
    labels, predictions = validation(9, 50)
    options = {"rule": "model1", "space": ["threshold"], "objectives": ["f1"]} | change
    with pytest.raises(InputError) as caught:
        search_decision(labels, predictions, **options)
    assert said in str(caught.value)


def test_an_objective_undefined_everywhere_is_told():
    _, predictions = validation(10, 20)
    with pytest.raises(InputError, match="undefined for every decision"):
        search_decision(np.zeros(20, int), predictions, "model1", ["threshold"], ["auc"])


def test_a_decision_search_is_kept_and_continued(tmp_path):
    labels, predictions = validation(11, 200)
    options = {"rule": "model1", "space": ["threshold", "weight"], "objectives": ["f1"]}
    file = tmp_path / "studies" / "journal"
    kept = search_decision(labels, predictions, **options, trials=40, storage=file, study="data")
    again = search_decision(labels, predictions, **options, trials=40, storage=file, study="data")
    fresh = search_decision(labels, predictions, **options, trials=40)
    for other in (again, fresh):
        assert other.decision == kept.decision
        assert other.trials.equals(kept.trials)
    size = file.stat().st_size
    search_decision(labels, predictions, **options, trials=40, storage=file, study="data")
    assert file.stat().st_size == size


def test_two_hundred_trials_take_seconds():
    labels, predictions = validation(12, 1000)
    search_decision(labels, predictions, "model1", ["threshold"], ["f1"], trials=20)
    began = time.perf_counter()
    search_decision(labels, predictions, "model1", ["threshold"], ["f1"], trials=200)
    # 3 s on an idle machine; a busy one is given more
    assert time.perf_counter() - began < 12


def test_one_room_imports_optuna():
    package = Path(abl.__file__).parent
    importing = [
        path.relative_to(package).as_posix()
        for path in sorted(package.rglob("*.py"))
        if re.search(r"^\s*(import|from) optuna", path.read_text(), re.MULTILINE)
    ]
    assert {each.split("/")[0] for each in importing} == {"search"}


def test_a_sweep_at_work_asks_its_study_and_names_none():
    package = Path(abl.__file__).parent
    for name in ("app/session", "app/watching", "api"):
        text = (package / f"{name}.py").read_text(encoding="utf-8")
        assert not re.search(r"TunedStudy|isinstance\([\w.]*study", text), name


def test_lines_that_only_look_like_a_journal_are_refused(tmp_path):
    file = tmp_path / "other.log"
    file.write_text('{"op_code": 99}\n', encoding="utf-8")
    with pytest.raises(InputError, match="not the journal of a search"):
        searched(quality, trials=1, storage=file)
    assert file.read_text(encoding="utf-8") == '{"op_code": 99}\n'

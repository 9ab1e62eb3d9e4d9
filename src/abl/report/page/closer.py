"""The figures of a report that answer to the hand: what they are drawn from, as plain values.

Vega-Lite draws them in the page; its scripts come with vl-convert and lie in the file. All that
they show stands in the static figures, too.
"""

from __future__ import annotations

import base64
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from threading import Lock
from typing import Any, cast

import numpy as np
import pandas as pd
from markupsafe import Markup

from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.figures.arms import base_of, best_of, few_of, row_words, shown_arms
from abl.report.labels import label_in
from abl.report.named import axis_in, value_in, words_of
from abl.report.prediction_frames import probability_columns

LEARNING, THUMBNAILS = "learning_curves", "thumbnails"
CURVE_COLUMNS = ("train_loss", "validation_loss", "validation_accuracy")
MOST_THUMBNAILS = 400
MOST_PICTURE_BYTES = 300_000  # of a page that is to stay under 3 MB
MOST_POINTS = 24_000  # predictions; of more a share of the replicates is drawn
MOST_LINES = 300
MOST_CURVE_ROWS = 6000


def closer_look(
    outcome: Outcome, predictions: pd.DataFrame, own: Mapping[str, pd.DataFrame]
) -> dict[str, Any]:
    """What the page's script draws from, JSON-able; {} if there is nothing to draw.

    Args:
        own: Frames of the outcome, of which LEARNING and THUMBNAILS are read.
    """
    found = {
        "points": _points(outcome, predictions),
        "curves": _curves(outcome, own.get(LEARNING, pd.DataFrame())),
        "axes": _axes(outcome),
    }
    drawn = {name: value or None for name, value in found.items()}
    if not any(drawn.values()):
        return {}
    pictures = own.get(THUMBNAILS, pd.DataFrame())
    known = set(found["points"].get("units", ()))
    shown: dict[str, str] = {}
    room = MOST_PICTURE_BYTES
    for unit, jpeg in zip(pictures["unit"], pictures["jpeg"], strict=True) if len(pictures) else ():
        text = base64.b64encode(jpeg).decode("ascii")
        room -= len(text)
        if str(unit) in known and room >= 0:
            shown[str(unit)] = text
    return {"metric": label_in(outcome, outcome.primary), **drawn, "pictures": shown}


def embedded(values: Mapping[str, Any]) -> Markup:
    """The values as JSON within a page: no text in them can end the element that holds them."""
    text = json.dumps(values, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))


_BUNDLE = (
    "import sys, vl_convert\n"
    "sys.stdout.buffer.write(vl_convert.javascript_bundle().encode())"
)  # fmt: skip


_bundling = Lock()


def vega_script() -> Markup:
    """Vega, Vega-Lite and vega-embed as one script, from the package; made once."""
    with _bundling:  # it may be under way in another thread
        return _vega_script()


@cache
def _vega_script() -> Markup:
    # in a process of its own: the engine that bundles them keeps 130 MiB for good, and holds
    # Python's lock for a second
    bundle = ""
    with suppress(OSError):  # Python is not everywhere a program that can be started
        made = subprocess.run([sys.executable, "-P", "-c", _BUNDLE], capture_output=True)
        bundle = made.stdout.decode() if made.returncode == 0 else ""
    if not bundle:
        import vl_convert

        # its stub asks for a snippet, which it does not need
        bundle = cast(Any, vl_convert).javascript_bundle()
    # no text of a script may end the element that holds it
    return Markup(bundle.replace("</script", "<\\/script"))


def _points(outcome: Outcome, predictions: pd.DataFrame) -> dict[str, Any]:
    """Test predictions of a few arms: rows of (arm, replicate, unit, probability, right).

    Where some arm sends units on, each row says of its unit whether it was sent.
    """
    if predictions.empty or "arm" not in predictions:
        return {}
    shown = shown_arms(outcome, predictions)
    keys = [arm.outcome.key for arm in shown.arms]
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    tests = tests[tests["arm"].astype(str).isin(keys).to_numpy()]
    if tests.empty:
        return {}
    columns = probability_columns(tests)
    names = tests[["repeat", "fold", "seed"]].drop_duplicates().sort_values(
        ["repeat", "fold", "seed"]
    )  # fmt: skip
    kept = max(1, min(len(names), int(len(names) * MOST_POINTS / len(tests))))
    replicates = [tuple(map(int, row)) for row in names.itertuples(index=False, name=None)]
    at_replicate = {key: at for at, key in enumerate(replicates[:kept])}
    units = sorted(map(str, tests["unit"].unique()))
    at_unit, at_arm = ({n: at for at, n in enumerate(each)} for each in (units, keys))
    several = len(columns) > 2
    p = tests[columns].to_numpy(np.float64)
    labels = tests["label"].to_numpy(np.int64)
    value = p[np.arange(len(p)), labels] if several else p[:, 1]
    right = p.argmax(axis=1) == labels
    where = zip(tests["repeat"], tests["fold"], tests["seed"], strict=True)
    # of imported arms it is not known
    sent = tests["sent"].eq(True).to_numpy() if "sent" in tests else np.zeros(len(tests), bool)
    sends = bool(sent.any())
    rows = [
        [at_arm[str(arm)], at_replicate[key], at_unit[str(unit)], round(float(each), 4), int(ok)]
        + ([int(on)] if sends else [])
        for arm, key, unit, each, ok, on in zip(
            tests["arm"], (tuple(map(int, w)) for w in where), tests["unit"], value, right, sent,
            strict=True,
        )
        if key in at_replicate
    ]  # fmt: skip
    once = tests.drop_duplicates("unit")
    of_unit = once.set_index(once["unit"].map(str))
    classes = [str(name) for name in outcome.facts.classes] or [
        f"class {at}" for at in range(len(columns))
    ]
    base, best = base_of(outcome), best_of(outcome, [arm.outcome for arm in shown.arms])
    return {
        "scored": outcome.scored,
        "arms": [arm.label for arm in shown.arms],
        "base": keys.index(base.key) if base is not None and base.key in keys else 0,
        "best": keys.index(best.key) if best is not None and best.key in keys else 0,
        "sends": sends,
        "unit": outcome.facts.unit or "case",
        "cut": shown.cut,
        "replicates": [f"repeat {r}, fold {f}, seed {s}" for r, f, s in at_replicate],
        "left_out": len(replicates) - kept,
        "units": units,
        "labels": [int(of_unit["label"].loc[unit]) for unit in units],
        "patients": [str(of_unit["patient"].loc[unit]) for unit in units],
        "classes": classes,
        "of": "the true class" if several else classes[1],
        "roc": not several,
        "rows": sorted(rows),
    }


def _curves(outcome: Outcome, learning: pd.DataFrame) -> dict[str, Any]:
    """Learning curves: rows of (arm, training, epoch, quantity, value), by places in lists."""
    if learning.empty:
        return {}
    words = {arm.key: row_words(arm, outcome) for arm in outcome.arms}
    known = learning[learning["arm"].isin(words).to_numpy()]
    roles = known["role"].nunique()
    columns = [name for name in CURVE_COLUMNS if name in known and known[name].notna().any()]
    rows: list[list[Any]] = []
    arms = list(dict.fromkeys(words[key] for key in known["arm"]))
    at_arm = {word: at for at, word in enumerate(arms)}
    at_training: dict[str, int] = {}
    for row in known.to_dict("records"):
        training = f"repeat {row['repeat']}, fold {row['fold']}, seed {row['seed']}"
        training = f"{row['role']}: {training}" if roles > 1 else training
        for at, name in enumerate(columns):
            value = row.get(name)
            if value is not None and math.isfinite(value):
                place = at_training.setdefault(training, len(at_training))
                where = [at_arm[words[row["arm"]]], place, int(row["epoch"]), at]
                rows.append([*where, round(float(value), 4)])
    most = len(at_training)
    while len(rows) > MOST_CURVE_ROWS and most > 1:
        most = max(1, most // 2)
        rows = [row for row in rows if row[1] < most]
    kinds = [name.replace("_", " ") for name in columns]
    drawn = {"arms": arms, "trainings": list(at_training)[:most], "kinds": kinds, "rows": rows}
    return drawn if rows else {}


def _axes(outcome: Outcome) -> dict[str, Any]:
    """Arms over axes, for parallel lines: where each value lies on its axis, 0 to 1."""
    arms = [
        arm for arm in outcome.arms
        if not arm.failed and math.isfinite(_mean(outcome, arm))
    ]  # fmt: skip
    arms, cut = few_of(outcome, arms, MOST_LINES)
    if len(arms) < 3 or not outcome.told_apart:
        return {}
    ticks, places = [], dict[str, dict[str, float]]()
    for axis in outcome.told_apart:
        values = _ordered([arm.params.get(axis, "") for arm in arms])
        names = [value_in(outcome, axis, v) if v != "" else "–" for v in values]
        high = max(len(values) - 1, 1)
        places[axis] = {str(v): at / high for at, v in enumerate(values)}
        ticks += [[axis_in(outcome, axis), at / high, name] for at, name in enumerate(names)]
    means = [_mean(outcome, arm) for arm in arms]
    low, span = min(means), (max(means) - min(means)) or 1.0
    metric = label_in(outcome, outcome.primary)
    ticks += [[metric, share, f"{low + share * span:.3f}"] for share in (0.0, 0.5, 1.0)]
    lines = [
        [
            words_of(arm, outcome),
            round(mean, 4),
            arm.comparison.verdict if arm.comparison is not None else "",
            [places[axis][str(arm.params.get(axis, ""))] for axis in outcome.told_apart]
            + [(mean - low) / span],
        ]
        for arm, mean in zip(arms, means, strict=True)
    ]
    names = [*(axis_in(outcome, axis) for axis in outcome.told_apart), metric]
    return {"names": names, "ticks": ticks, "lines": lines, "cut": cut}


def _ordered(values: Sequence[Any]) -> list[Any]:
    """Distinct values: numbers by size, words as they come."""
    distinct = list(dict.fromkeys(values))
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in distinct)
    return sorted(distinct) if numbers else distinct


def _mean(outcome: Outcome, arm: ArmOutcome) -> float:
    cell = arm.cells.get(outcome.primary)
    return math.nan if cell is None else cell.mean

"""What is known of the units of a table: predictions by replicate, metadata, pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pandas as pd
from PIL import Image

from abl.data.dataset import Dataset, unit_names
from abl.data.images import reduced
from abl.decide.check import Floats, largest_class
from abl.decide.replicates import KEYS, Scores
from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Outcome

THUMBNAIL_SIDE = 240


def probability_columns(frame: pd.DataFrame) -> list[str]:
    """p_0, p_1, ..., in the order of the classes."""
    found = [str(name) for name in frame.columns if str(name).startswith("p_")]
    return sorted((name for name in found if name[2:].isdigit()), key=lambda name: int(name[2:]))


def probabilities_of(frame: pd.DataFrame) -> Floats:
    """(N, K) float64."""
    return frame[probability_columns(frame)].to_numpy(dtype="float64")


def arm_tests(frame: pd.DataFrame, arm: str) -> pd.DataFrame:
    """The test predictions of one arm, ordered by replicate and unit."""
    rows = frame[(frame["arm"] == arm) & (frame["role"] == "test")]
    return rows.sort_values([*KEYS, "unit"], kind="stable").reset_index(drop=True)


def scored_replicates(rows: pd.DataFrame) -> list[Scores]:
    """One Scores for each (repeat, fold, seed) of the rows of one arm.

    Raises:
        InputError: Probabilities outside [0, 1] or that do not sum to 1.
    """
    replicates = []
    for key, part in rows.groupby(KEYS, sort=True):
        repeat, fold, seed = np.asarray(key, dtype=np.int64).tolist()
        labels = part["label"].to_numpy(dtype=np.int64)
        patients = part["patient"].astype(str).to_numpy()
        replicates.append(Scores(repeat, fold, seed, labels, patients, probabilities_of(part)))
    return replicates


def one_class_replicates(predictions: pd.DataFrame) -> dict[str, int]:
    """Arm (key) -> replicates on which every test unit is given one class; 0 is left out."""
    return one_class_found(predictions)[0]


def one_class_found(predictions: pd.DataFrame) -> tuple[dict[str, int], dict[str, int]]:
    """`one_class_replicates`, and arm (key) -> position of the class that it gives to every test
    unit of those; arms that do so with several classes are left out of the latter.
    """
    if predictions.empty:
        return {}, {}
    by_arm = _lone_classes(predictions).groupby(level="arm").agg(["size", "min", "max"])
    same = by_arm[by_arm["min"] == by_arm["max"]]["min"]
    counts = {str(arm): int(count) for arm, count in by_arm["size"].items()}
    return counts, {str(arm): int(called) for arm, called in same.items()}


def _lone_classes(predictions: pd.DataFrame) -> pd.Series:
    """(arm, repeat, fold, seed) -> the class of all its test units, where it is one."""
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    final = tests[KEYS].assign(
        arm=tests["arm"].astype(str), final=largest_class(probabilities_of(tests))
    )
    called = final.groupby(["arm", *KEYS])["final"].agg(["min", "max"])
    return called[called["min"] == called["max"]]["min"]


def repeated_trainings(predictions: pd.DataFrame) -> dict[str, int]:
    """Arm (key) -> distinct predictions among its replicates, of arms where some seeds of a split
    give the same probabilities to every test unit: one training, given for several seeds.
    """
    if predictions.empty:
        return {}
    tests = predictions[(predictions["role"] == "test").to_numpy()]
    of_unit = pd.util.hash_pandas_object(
        tests[["unit", *probability_columns(tests)]].astype({"unit": str}), index=False
    )
    # the sum does not depend on the order of the units
    keys = tests[KEYS].assign(arm=tests["arm"].astype(str), seen=of_unit.to_numpy())
    seen = keys.groupby(["arm", *KEYS])["seen"].sum().reset_index()
    counts = seen.groupby("arm").size()
    distinct = seen.drop_duplicates(["arm", "repeat", "fold", "seen"]).groupby("arm").size()
    fewer = distinct[distinct < counts]
    return {str(arm): int(count) for arm, count in fewer.items()}


def one_class_note(outcome: Outcome, arm: ArmOutcome) -> str:
    """What must be said of an arm, "" if nothing; reads facts.one_class."""
    count = outcome.facts.one_class.get(arm.key, 0)
    return one_class_words(count, len(arm.replicates)) if count else ""


def one_class_words(count: int, replicates: int) -> str:
    """`predicts one class only`, with the share of replicates if it is not all."""
    where = f" in {count} of {replicates} replicates" if count < replicates else ""
    return f"predicts one class only{where}"


def metadata_of(dataset: Dataset, unit: str) -> pd.DataFrame:
    """The columns of the data set, indexed by unit; of a unit's images the first speaks."""
    frame = dataset.frame.set_axis(unit_names(dataset.frame, unit), axis=0)
    return frame[~frame.index.duplicated()]


def thumbnails_of(
    dataset: Dataset, unit: str, *, side: int = THUMBNAIL_SIDE
) -> Callable[[str], tuple[bytes, ...]]:
    """unit -> PNG of its first image, longest side bounded, and of that image's second modality
    where rows are pairs; () where it cannot be shown.
    """
    names = unit_names(dataset.frame, unit)
    first = {name: at for at, name in reversed(list(enumerate(names.tolist())))}
    sources = [dataset.source, *([dataset.second] if dataset.second is not None else [])]

    def picture(name: str) -> tuple[bytes, ...]:
        # a second image that is a sample of its own may have got this at its end
        at = first.get(name, first.get(name.removesuffix("#2")))
        try:
            found = [] if at is None else [reduced(source.decode(at), side) for source in sources]
        except InputError:
            return ()
        return tuple(map(_png, found))

    return picture


def _png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", optimize=True)
    return stream.getvalue()

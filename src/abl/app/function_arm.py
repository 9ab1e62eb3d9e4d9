"""An arm that a Python function, or scikit-learn, trains on a sweep's own replicates.

It is trained here, replicate by replicate, and joins the table as `abl import` lets one in: the
same test images, the same statistics. Labels of the test images are not handed out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import pandas as pd

from abl.app.importing import import_arm
from abl.app.loaded import LoadedSweep
from abl.data.dataset import PAIR
from abl.data.predictions.prediction_rows import write_prediction_table
from abl.data.views import open_view
from abl.decide.check import Floats
from abl.errors import InputError
from abl.plan.graph import Replicate
from abl.plan.outcome import Outcome
from abl.scratch import scratch_folder


@dataclass(frozen=True, eq=False)
class ArmPart:
    """A part of a replicate.

    Attributes:
        frame: image, patient (str); label (int64) but for the test part; one row an image.
        pixels: uint8 (N, channels, H, W), as the sweep's `image` block cuts and resizes them.
    """

    frame: pd.DataFrame
    pixels: np.ndarray

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def labels(self) -> np.ndarray:
        """int64 (N,). Raises KeyError for the test part, whose labels nobody may train on."""
        return self.frame["label"].to_numpy()


@dataclass(frozen=True, eq=False)
class ArmData:
    """One replicate, as an arm of one's own sees it.

    Attributes:
        repeat, fold, seed: Which one.
        classes: Names of the classes, in the order of the labels.
        train, validation, test: Its parts; what is chosen is chosen on `validation`.
    """

    repeat: int
    fold: int
    seed: int
    classes: tuple[str, ...]
    train: ArmPart
    validation: ArmPart
    test: ArmPart

    def __repr__(self) -> str:
        sizes = f"{len(self.train)} train, {len(self.validation)} validation, {len(self.test)} test"
        return f"<ArmData r{self.repeat} f{self.fold} s{self.seed}: {sizes}>"


@runtime_checkable
class Estimator(Protocol):
    """A classifier as scikit-learn has them."""

    def fit(self, X: Any, y: Any) -> Any: ...
    def predict_proba(self, X: Any) -> Any: ...


Trainer = Callable[[ArmData], Any]


def add_function_arm(
    sweep: LoadedSweep, name: str, train: Trainer | Estimator, *, against: str = ""
) -> Outcome:
    """Trains an arm on every replicate of a sweep that was run, and brings it into its table.

    Args:
        name: The arm's; one brought in before under this name is replaced.
        train: A function from ArmData to the probabilities of its test images, float (N, classes),
            in their order; or an estimator, which a copy of is fitted on pixels in [0, 1], flat,
            with the replicate's seed as `random_state` where it has one that is not set.
        against: Words of the arm it is compared with; needed if the sweep has several bases.

    Raises:
        InputError: The sweep was not run; arms that read several data sets; an estimator without
            predict_proba; what was predicted is no probability of each class for each image.
    """
    function = _as_function(train, name)
    sweep.use_names()
    plan = sweep.plan
    opened = sweep.workspace.opened()
    if len(opened) != 1:
        raise InputError(
            f"{sweep.name}: its arms read {len(opened)} data sets, so that there is none to train "
            "an arm of your own on; write a sweep with one"
        )
    sweep.workspace.prepare(lambda text: None)
    asked, data = sweep.file.sweep, opened[0]
    view = open_view(sweep.store.cache, sweep.workspace.view(data, asked.image))
    column = PAIR if PAIR in view.frame else "image"
    pixels = view.pixel_set()
    tables: list[pd.DataFrame] = []
    opened_split, own = None, {}
    for replicate in plan.replicates:
        split = data.split(asked.splits, replicate.repeat, replicate.fold)
        if split is not opened_split:  # seeds of a split read the same images
            opened_split = split
            own = {
                role: ArmPart(_frame(view.frame, rows, column, role), pixels.take(rows))
                for role, rows in split.items()
            }
        given = ArmData(
            replicate.repeat, replicate.fold, replicate.seed, data.dataset.classes,
            own["train"], own["validation"], own["test"],
        )  # fmt: skip
        p = _checked(function(given), given, name)
        labels = view.frame["label"].to_numpy()[split.test]
        tables.append(_predictions(given.test.frame, labels, p, replicate))
    file = re.sub(r"[^\w.-]+", "_", name) or "arm"
    with scratch_folder("abl-arm-") as folder:
        path = folder / f"{file}.parquet"
        write_prediction_table(path, pd.concat(tables, ignore_index=True))
        return import_arm(
            sweep.store, sweep.name, path, name, against=against, roots=sweep.workspace.roots
        )


def _frame(frame: pd.DataFrame, rows: np.ndarray, column: str, role: str) -> pd.DataFrame:
    own = frame.iloc[rows]
    made = pd.DataFrame({"image": own[column], "patient": own["patient"]})
    if role != "test":
        # corrected or flipped labels are trained on; choices are made by those that score
        made["label"] = own["train_label" if role == "train" else "label"]
    return made.reset_index(drop=True)


def _predictions(
    frame: pd.DataFrame, labels: np.ndarray, p: Floats, replicate: Replicate
) -> pd.DataFrame:
    """Rows as `abl import` reads them."""
    made = {
        "image": frame["image"], "label": labels, "split": "test", "repeat": replicate.repeat,
        "fold": replicate.fold, "seed": replicate.seed,
    }  # fmt: skip
    return pd.DataFrame(made).assign(**{f"p_{at}": p[:, at] for at in range(p.shape[1])})


def _checked(predicted: Any, given: ArmData, name: str) -> Floats:
    """float64 (N, classes), or one line on what it is instead."""
    p = np.asarray(predicted, dtype=np.float64)
    wanted = (len(given.test), len(given.classes))
    where = f"arm '{name}', repeat {given.repeat}, fold {given.fold}, seed {given.seed}"
    if p.shape != wanted:
        raise InputError(
            f"{where}: gave an array of shape {p.shape}; it takes {wanted[0]} test images x "
            f"{wanted[1]} classes"
        )
    if not np.isfinite(p).all() or (p < 0).any() or not np.allclose(p.sum(1), 1.0, atol=1e-3):
        raise InputError(f"{where}: gave no probabilities: each row must be >= 0 and sum to 1")
    return p


def _as_function(train: Trainer | Estimator, name: str) -> Trainer:
    """What trains it. Raises InputError for what would give no probabilities."""
    # an estimator hides its predict_proba where its settings give it none
    fits = isinstance(train, Estimator) and hasattr(train, "predict_proba")
    if isinstance(train, type) or not (fits or callable(train)):
        raise InputError(f"arm '{name}': {_no_trainer(train)}")
    if not fits:
        return cast(Trainer, train)
    from sklearn.base import clone

    def fitted(given: ArmData) -> np.ndarray:
        own = clone(train)
        if own.get_params().get("random_state", 0) is None:
            own.set_params(random_state=given.seed)
        own.fit(_flat(given.train), given.train.labels)
        p = np.zeros((len(given.test), len(given.classes)))
        p[:, np.asarray(own.classes_, dtype=np.int64)] = own.predict_proba(_flat(given.test))
        return p

    return fitted


def _no_trainer(given: Any) -> str:
    """Why it can train no arm, and what to write instead."""
    if isinstance(given, type):
        return f"{given.__name__} is a class: write {given.__name__}(...)"
    kind = type(given).__name__
    if not hasattr(given, "fit"):
        return f"{kind} is neither a function of abl.ArmData nor a classifier of scikit-learn"
    wrapped = f"CalibratedClassifierCV({kind}(...), ensemble=False)"
    return f"{kind} gives no probabilities (predict_proba): write {wrapped}, of sklearn.calibration"


def _flat(part: ArmPart) -> np.ndarray:
    """float32 (N, channels * H * W) in [0, 1]."""
    return part.pixels.reshape(len(part), -1).astype(np.float32) / np.float32(255)

"""What sharing features and kernels saves in a sweep over sets of networks, and what it costs.

    python benchmarks/ensembles.py
    python benchmarks/ensembles.py --quick

Prints a section for docs/benchmarks.md. Six networks, every set of them, svm and rf; 600 images.
One process, one thread, CPU seconds, so that other work on the machine does not enter. Measured is
one split with one seed; the whole (5 folds, 3 seeds) is scaled from its parts: features once,
kernels and support vector machines 5 times (they draw nothing), forests 15 times. Three ways:

- `abl`, in-process, with its store: everything between the start and the end of its stages counts;
- a script by hand that shares as much and writes nothing;
- each of the 1,890 fits by itself, which extracts its networks' features first: a sum of the
  parts of the second way.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchvision
import yaml
from measuring import machine_line, markdown_table
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC

import abl
from abl.api import Callback
from abl.data.views import open_view
from abl.plan.stage import Stage

# network -> the module whose output its `last` layer is
PANEL = {
    "alexnet": "classifier.5",
    "squeezenet1_1": "features",
    "mobilenet_v3_small": "classifier.1",
    "resnet18": "avgpool",
    "resnet50": "avgpool",
    "shufflenet_v2_x1_0": "conv5",
}
FOLDS, SEEDS, TREES, INNER = 5, 3, 100, 5


class Clock(Callback):
    """CPU seconds by kind of stage, with all that the executor does around it."""

    def __init__(self) -> None:
        self.by_kind: dict[str, float] = defaultdict(float)
        self._last = 0.0

    def started(self, stage: Stage, where: str) -> None:
        self._last = self._last or time.process_time()

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        now = time.process_time()
        name = stage.kind if stage.kind != "fit" else str(stage.settings["classifier"])
        self.by_kind[name] += now - self._last
        self._last = now


def sweep_of(folder: Path, patients: int, size: int) -> Path:
    """The sweep: one split, one seed."""
    values = {
        "name": "sets",
        "study": "ensembles",
        "data": {"phantom": {"patients": patients, "size": size}, "duplicates": "ignore"},
        "image": {"size": size, "channels": 3},
        "splits": {"kind": "holdout", "test": 1 / FOLDS},
        "options": {
            "panel": {f"N{at}": {"network": name} for at, name in enumerate(PANEL)},
            "rf": {"trees": TREES},
            "inner_folds": INNER,
        },
        "arms": [{"networks": "all", "classifier": ["svm", "rf"]}],
        "metrics": ["auc"],
        "primary": "auc",
        "resamples": 200,
    }
    path = folder / "sets.yaml"
    path.write_text(yaml.safe_dump(values), "utf-8")
    return path


def extracted(name: str, images: np.ndarray) -> np.ndarray:
    """Features of a network by hand, float32 (N, width)."""
    torch.manual_seed(0)
    extra = {"init_weights": True} if name == "inception_v3" else {}
    network = torchvision.models.get_model(name, weights=None, **extra).eval()
    caught: list[torch.Tensor] = []
    network.get_submodule(PANEL[name]).register_forward_hook(
        lambda module, given, output: caught.append(output.clone())
    )
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    sd = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.inference_mode():
        for start in range(0, len(images), 32):
            network((torch.from_numpy(images[start : start + 32]).float() / 255 - mean) / sd)
    found = torch.cat(caught)
    return (found.mean((2, 3)) if found.ndim == 4 else found).numpy()


def kernel_of(features: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Scaled inner products with the training rows."""
    values = features.astype(np.float64)
    sd = values[train].std(axis=0)
    values = (values - values[train].mean(axis=0)) / np.where(sd > 0, sd, np.inf)
    values /= np.sqrt((sd > 0).sum())
    return values @ values[train].T


def by_machine(kernel: np.ndarray, train: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Any:
    """Calibrated probabilities of all rows."""
    known, out = kernel[train], np.empty(len(train))
    for fold in range(INNER):
        kept, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        model = SVC(kernel="precomputed").fit(known[np.ix_(kept, kept)], y[train][kept])
        out[held] = model.decision_function(known[np.ix_(held, kept)])
    curve = LogisticRegression(C=1e6).fit(out[:, None], y[train])
    model = SVC(kernel="precomputed").fit(known, y[train])
    return curve.predict_proba(model.decision_function(kernel)[:, None])[:, 1]


def by_forest(features: list[np.ndarray], train: np.ndarray, y: np.ndarray) -> Any:
    """Vote shares of all rows."""
    whole = np.concatenate(features, axis=1)
    return RandomForestClassifier(TREES, n_jobs=1).fit(whole[train], y[train]).predict_proba(whole)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    patients = 40 if given.quick else 250
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sweep = abl.load(sweep_of(folder, patients, given.size), root=folder / "mlruns")
        clock = Clock()
        abl.run(sweep, executor="local", record=False, listener=clock)
        ours = dict(clock.by_kind)
        key = next(iter(sweep.plan.stages.values())).context["view"]
        view = open_view(sweep.store.cache, str(key))
        images = np.asarray(view.pixel_set().take(np.arange(len(view.frame))))
        y = view.frame["label"].to_numpy()
        opened = sweep.workspace.data(sweep.file.sweep.data)
        split = opened.split(sweep.file.sweep.splits, 0, 0)
    if images.shape[1] == 1:
        images = images.repeat(3, axis=1)
    train, hand, single = (
        split.train,
        defaultdict[str, float](float),
        defaultdict[str, float](float),
    )
    folds = np.arange(len(train)) % INNER

    def timed(part: str, function: Any, *arguments: Any) -> Any:
        began = time.process_time()
        found = function(*arguments)
        hand[part] += time.process_time() - began
        return found

    features = {}
    for network in PANEL:
        began = hand["embed"]
        features[network] = timed("embed", extracted, network, images)
        single[network] = hand["embed"] - began
    kernels = {each: timed("kernels", kernel_of, features[each], train) for each in PANEL}
    sets = [s for n in range(1, 7) for s in itertools.combinations(PANEL, n)]
    for each in sets:
        composed = timed("svm", lambda each=each: sum(kernels[n] for n in each))
        p = timed("svm", by_machine, composed, train, y, folds)
        timed("svm", roc_auc_score, y[split.test], p[split.test])
        p = timed("rf", by_forest, [features[n] for n in each], train, y)
        timed("rf", roc_auc_score, y[split.test], p[split.test, 1])

    def whole(parts: dict[str, float]) -> float:
        return (
            parts["embed"] + FOLDS * (parts["kernels"] + parts["svm"]) + FOLDS * SEEDS * parts["rf"]
        )

    # by itself: features of its networks, its own kernel, its fit
    of_kernel = hand["kernels"] / len(PANEL)
    alone = sum(sum(single[n] + of_kernel for n in each) + hand["svm"] / len(sets) for each in sets)
    alone += sum(sum(single[n] for n in each) + hand["rf"] / len(sets) for each in sets)
    alone *= FOLDS * SEEDS
    names = ("embed", "kernels", "svm", "rf")
    rows = [
        [label, *(f"{parts[each]:.1f}" for each in names), f"{whole(parts):.0f}"]
        for label, parts in (("abl", ours), ("by hand", dict(hand)))
    ]
    print(f"## Sets of networks\n\n{machine_line()}\n")
    print(
        f"{len(PANEL)} networks, {len(images)} images of {given.size} px, {len(sets)} sets, svm "
        f"and rf ({TREES} trees). CPU seconds of one split and seed, and scaled to {FOLDS} folds "
        f"and {SEEDS} seeds.\n"
    )
    head = ["", "features", "kernels", "svm", "rf", "whole, scaled"]
    print(markdown_table(head, rows))
    print(
        f"\n{2 * len(sets) * FOLDS * SEEDS:,} fits, each by itself: {alone:,.0f} s, scaled from "
        f"the parts above: {alone / whole(ours):.0f} times as long. `abl` takes "
        f"{whole(ours) / whole(dict(hand)):.2f} times the script by hand."
    )


if __name__ == "__main__":
    main()

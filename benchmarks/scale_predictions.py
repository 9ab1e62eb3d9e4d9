"""Prediction rows of many networks: written as a training does, read by network and by image."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scale_child import Row, child_main, in_child

from abl.plan.stage import Stage
from abl.record.store import Store
from abl.studies.shared.predictions import Predictions, image_history, misclassified, predicting
from abl.train.predictions import predictions_frame, write_predictions

MOST_MIB = 2048
# training, validation, test; every image has one role in a network
PARTS = (0.6, 0.2, 0.2)
FOLDS = 5


def ids_of(images: int) -> np.ndarray:
    """Image ids as a manifest of files has them."""
    return np.array([f"images/{at:06d}.png" for at in range(images)])


def labels_of(images: int) -> pd.Series:
    """A made-up label for each image."""
    drawn = np.random.default_rng(0).integers(0, 2, images)
    return pd.Series(drawn, index=ids_of(images))


def written(root: str, images: int, networks: int, epochs: int) -> dict[str, Any]:
    """Commits one stage a network; each fifth of the networks has another fold for its test."""
    store, ids, labels = Store(Path(root)), ids_of(images), labels_of(images).to_numpy()
    ends = np.rint(np.cumsum(PARTS) * images).astype(int)
    seconds, cpu, size = 0.0, 0.0, 0
    wrong = np.zeros(images, dtype=np.int64)
    for number in range(networks):
        draw = np.random.default_rng([1, number])
        order = np.roll(np.arange(images), number % FOLDS * images // FOLDS)
        parts = dict(zip(("train", "validation", "test"), np.split(order, ends[:2]), strict=True))
        logits = {}
        for role, at in parts.items():
            lean = (2 * labels[at] - 1) * 0.7
            noise = draw.normal(size=(epochs, len(at), 2)) * 0.3 + draw.normal(size=(len(at), 2))
            logits[role] = (noise + np.stack([-lean, lean], axis=1)).astype(np.float32)
        began, before = time.perf_counter(), time.process_time()
        stage = Stage("train", 1, {"network": number}, label=f"network {number}")
        with store.claim(stage.digest) as attempt:
            if attempt is None:
                raise SystemExit("the folder was not empty")
            frame = predictions_frame({r: list(ids[at]) for r, at in parts.items()}, logits)
            write_predictions(attempt.folder / "predictions.parquet", frame)
            store.commit(attempt, stage, {}, {})
        seconds += time.perf_counter() - began
        cpu += time.process_time() - before
        done = store.done(stage.digest)
        size += sum(n for n, _ in done.files.values()) if done else 0
        test = frame[frame["role"] == "test"]
        missed = (test["p_0"] <= test["p_1"]).to_numpy().astype(int) != labels[parts["test"]]
        wrong[parts["test"][missed]] += 1
    np.save(Path(root) / "wrong.npy", wrong)  # counted as they were written, to check by
    return {"seconds": seconds, "cpu": cpu, "bytes": size}


class Peak:
    """Highest resident memory of this process while it is entered, in MiB, mapped files too."""

    def __enter__(self) -> Peak:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            self.mib = max(self.mib, pages * 4096 / 2**20)
            if self._stop.wait(0.02):
                return


def read(root: str, images: int) -> dict[str, Any]:
    """Reads in a new process: what was asked for, seconds and peak memory of each."""
    found: dict[str, Any] = {}

    def timed(name: str, store: Store, what: Any) -> Any:
        with Peak() as peak:
            began, before = time.perf_counter(), time.process_time()
            value = what(store)
            spent = time.process_time() - before
            found[name] = [time.perf_counter() - began, spent, peak.mib]
        return value

    store, ids, labels = Store(Path(root)), ids_of(images), labels_of(images)
    networks = timed("list", store, lambda s: predicting(s, s.digests()))
    some = networks[len(networks) // 2]
    # the part of a network's file that is its test part, in the order of the data
    whole = pd.read_parquet(store.file(some, "predictions.parquet"), columns=["image", "role"])
    test = whole.loc[whole["role"] == "test", "image"].to_numpy()
    fresh = Store(Path(root))
    timed("network", fresh, lambda s: Predictions(s).of(some, "test", test))
    one = str(ids[images // 3])
    history = timed("image", fresh, lambda s: image_history(s, networks, one))
    timed("image again", fresh, lambda s: image_history(s, networks, str(ids[-1])))
    counts = timed("wrong", Store(Path(root)), lambda s: misclassified(s, networks, labels))
    timed("wrong again", fresh, lambda s: misclassified(s, networks, labels))
    if len(history) != len(networks):
        raise SystemExit(f"{len(history)} of {len(networks)} networks know the image")
    if not np.array_equal(counts["wrong"], np.load(Path(root) / "wrong.npy")):
        raise SystemExit("F_j differs from what was counted while writing")
    return found


def read_frames(root: str, images: int, most: int) -> dict[str, Any]:
    """F_j as one would first write it: a frame of all predictions, joined with the labels."""
    files = sorted(Path(root).glob("done/*/predictions.parquet"))[:most]
    labels = labels_of(images).rename("label")
    with Peak() as peak:
        began, before = time.perf_counter(), time.process_time()
        whole = pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)
        test = whole[whole["role"] == "test"].merge(labels, left_on="image", right_index=True)
        wrong = (test["p_0"] <= test["p_1"]).astype(int) != test["label"]
        wrong.groupby(test["image"]).sum()
        seconds = time.perf_counter() - began
        cpu = time.process_time() - before
    return {"seconds": seconds, "cpu": cpu, "mib": peak.mib, "networks": len(files)}


def prediction_rows(images: int, networks: int, epochs: int) -> list[Row]:
    """The rows of this part."""
    root = tempfile.mkdtemp(prefix="abl-scale-")
    try:
        wrote = in_child(
            "scale_predictions.py",
            "write",
            root=root,
            images=images,
            networks=networks,
            epochs=epochs,
        )
        got = in_child("scale_predictions.py", "read", root=root, images=images)
        plain = in_child("scale_predictions.py", "frames", root=root, images=images, most=20)
    finally:
        shutil.rmtree(root, ignore_errors=True)
    total = images * networks
    each = wrote["bytes"] / total
    rows = [
        Row(
            f"rows written, {networks} networks, logits of {epochs} epochs",
            total,
            wrote["seconds"],
            wrote["cpu"],
            wrote["peak_mib"],
            f"{wrote['bytes'] / 1e9:.1f} GB, {each:.0f} bytes a row",
        )
    ]
    names = {
        "list": "which stages keep predictions",
        "network": "one network's test predictions",
        "image": "one image in all networks, files checked",
        "image again": "another image, files checked already",
        "wrong": "F_j of all images, files checked",
        "wrong again": "F_j of all images, files checked already",
    }
    for key, name in names.items():
        seconds, cpu, mib = got[key]
        held = "" if mib < MOST_MIB else "**over 2 GiB**"
        rows.append(Row(name, 1, seconds, cpu, mib, held))
    scaled = plain["cpu"] * networks / plain["networks"]
    rows.append(
        Row(
            f"F_j by a frame of all predictions, {plain['networks']} networks",
            1,
            plain["seconds"],
            plain["cpu"],
            plain["mib"],
            f"scaled to all networks {scaled / got['wrong'][1]:.1f} x the CPU of F_j above, and "
            f"{plain['mib'] * networks / plain['networks'] / 1024:.0f} GiB",
        )
    )
    return rows


if __name__ == "__main__":
    child_main({"write": written, "read": read, "frames": read_frames})

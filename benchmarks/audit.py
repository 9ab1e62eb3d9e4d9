"""Audits of labels: planted and known errors, coverage of error rates, expected numbers, time.

python benchmarks/audit.py [phantom] [planted] [known FOLDER] [coverage] [expected] [size] [--quick]

Without a part: all but `known`, which needs a folder with predictions.parquet and is_error.csv
(image, is_error). Planted errors lie in sets that scikit-learn has or makes, five classifiers
out of fold; cleanlab is compared where it is installed.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine_line, markdown_table
from PIL import Image
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_digits, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from abl.app.auditing.command import AuditAsked, audited
from abl.app.auditing.reading import read_runs
from abl.data.phantom import phantom_dataset
from abl.decide.audit.appearances import Appearances, appearances_of
from abl.decide.audit.baselines import baseline_scores, cleanlab_flags
from abl.decide.audit.error_rates import error_rates
from abl.decide.audit.expected_flags import expected_flags
from abl.decide.audit.label_audit import audit_of
from abl.spec.data import Phantom

BAR_SECONDS, BAR_MIB = 20.0, 2048.0
BAR_AP, BAR_F1 = 0.598, 0.548
PARTS = ("phantom", "planted", "coverage", "expected", "size")


def found_of(labels: np.ndarray, p: np.ndarray) -> Appearances:
    """Of p (N, M, K), each image once in a test set of each network."""
    names = np.array([f"{each:06d}" for each in range(len(labels))])
    wrong = (p.argmax(axis=2) != labels[:, None]).astype(np.int64)
    networks = tuple(f"network {each}" for each in range(p.shape[1]))
    return Appearances(names, labels, names, networks, np.ones_like(wrong), wrong, p)


# planted errors


def panel(seed: int) -> list:
    return [
        make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300)),
        RandomForestClassifier(100, random_state=seed),
        KNeighborsClassifier(7),
        make_pipeline(StandardScaler(), MLPClassifier((32,), max_iter=60, random_state=seed)),
        make_pipeline(
            StandardScaler(), MLPClassifier((64, 32), max_iter=40, random_state=seed + 1)
        ),
    ]


def clean_sets(seed: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    digits, labels = load_digits(return_X_y=True)
    yield "digits", digits, labels
    noise = np.random.default_rng(seed).normal(0, 4, digits.shape)
    yield "digits, noisy", digits + noise, labels
    yield "breast cancer", *load_breast_cancer(return_X_y=True)
    yield (
        "made, 2 classes",
        *make_classification(
            1200, 20, n_informative=8, class_sep=0.8, weights=[0.7], flip_y=0, random_state=seed
        ),
    )
    yield (
        "made, 5 classes",
        *make_classification(
            1500, 20, n_informative=10, n_classes=5, class_sep=1.2, flip_y=0, random_state=seed
        ),
    )


def mislabelled(kind: str, X: np.ndarray, truth: np.ndarray, share: float, seed: int) -> np.ndarray:
    """`uniform`: any other class; `annotator`: as someone errs who learnt from few images."""
    random = np.random.default_rng(seed)
    count, classes = len(truth), int(truth.max()) + 1
    labels = truth.copy()
    if kind == "uniform":
        wrong = random.random(count) < share
        labels[wrong] = (truth[wrong] + random.integers(1, classes, wrong.sum())) % classes
        return labels
    few = random.permutation(count)[: max(60, count // 8)]
    annotator = make_pipeline(
        StandardScaler(), MLPClassifier((16,), max_iter=60, random_state=seed)
    )
    annotator.fit(X[few], truth[few])
    p = np.zeros((count, classes))
    p[:, annotator.classes_] = annotator.predict_proba(X)
    own = p[np.arange(count), truth].copy()
    p[np.arange(count), truth] = -1
    weight = np.where(np.isin(np.arange(count), few), 0.1, 1.0) * (1 - own)
    weight = weight**2 + 1e-6
    wrong = random.choice(count, int(share * count), replace=False, p=weight / weight.sum())
    labels[wrong] = p[wrong].argmax(axis=1)
    return labels


def planted(seeds: int) -> None:
    print("### Planted errors\n\nMean over seeds and sets; AP of the order, F1 of the flag.\n")
    rows = []
    for kind in ("uniform", "annotator"):
        for share in (0.05, 0.12):
            for seed in range(seeds):
                for name, X, truth in clean_sets(seed):
                    labels = mislabelled(kind, X, truth, share, seed + 40)
                    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
                    p = np.stack(
                        [cross_val_predict(each, X, labels, cv=folds, method="predict_proba")
                         for each in panel(seed)], axis=1,
                    )  # fmt: skip
                    rows.append(
                        {"kind": kind, "share": share, "set": name, "seed": seed}
                        | measured_order(found_of(labels, p), labels != truth)
                    )
    table = pd.DataFrame(rows)
    names = [name for name in table if name.startswith(("AP", "F1"))]
    for by in (["kind", "share"], ["set"]):
        means = table.groupby(by)[names].mean()
        lines = [
            (", ".join(str(x) for x in (at if isinstance(at, tuple) else (at,))),
             *(f"{value:.3f}" for value in values))
            for at, values in zip(means.index, means.to_numpy(), strict=True)
        ]  # fmt: skip
        print(markdown_table([" / ".join(by), *names], lines) + "\n")
    overall = table[names].mean()
    print(markdown_table(["all", *names], [("mean", *(f"{x:.3f}" for x in overall))]) + "\n")
    if "AP cleanlab" in table:
        by_seed = table.groupby("seed")[["AP", "AP cleanlab"]].mean()
        told = ", ".join(f"{a:.3f} / {b:.3f}" for a, b in by_seed.to_numpy())
        print(f"By seed, ours / cleanlab: {told}.\n")


def of_nodule(image: np.ndarray, box: np.ndarray) -> np.ndarray:
    """A nodule and a quarter around it in 16 x 16 pixels, standardised, with its size."""
    x0, y0, x1, y1 = box
    wide, high = x1 - x0, y1 - y0
    corners = (x0 - wide / 4, y0 - high / 4, x1 + wide / 4, y1 + high / 4)
    cut = Image.fromarray(image).crop(tuple(int(each) for each in corners))
    small = np.asarray(cut.resize((16, 16), Image.Resampling.BILINEAR), dtype=np.float64)
    pixels = (small - small.mean()) / (small.std() + 1e-6)
    return np.append(pixels.ravel(), [wide, high, wide / high, small.mean(), small.std()])


def phantom(seeds: int) -> None:
    print("### Phantom with 5 % of the labels flipped\n\nFolds by patient.\n")
    rows = []
    for seed in range(seeds):
        dataset = phantom_dataset(Phantom(patients=200, size=64, seed=seed, flip=0.05))
        frame = dataset.frame
        boxes = frame[["box_x0", "box_y0", "box_x1", "box_y1"]].to_numpy()
        X = np.stack([of_nodule(dataset.source.decode(at), box) for at, box in enumerate(boxes)])
        labels = frame["train_label"].to_numpy()
        folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed)
        p = np.stack(
            [cross_val_predict(each, X, labels, groups=frame["patient"], cv=folds,
                               method="predict_proba") for each in panel(seed)], axis=1,
        )  # fmt: skip
        rows.append(measured_order(found_of(labels, p), frame["label"].to_numpy() != labels))
    table = pd.DataFrame(rows)
    lines = [(f"seed {at}", *(f"{x:.3f}" for x in row)) for at, row in enumerate(table.to_numpy())]
    lines.append(("mean", *(f"{x:.3f}" for x in table.mean())))
    print(markdown_table(["", *table], lines) + "\n")


def measured_order(found: Appearances, wrong: np.ndarray) -> dict[str, float]:
    audit = audit_of(found)
    measured = {"AP": average_precision_score(wrong, audit.score)}
    for name, score in baseline_scores(found).items():
        measured[f"AP {name}"] = average_precision_score(wrong, score)
    measured["F1"] = f1_score(wrong, audit.flagged)
    most = int(np.ceil(0.8 * len(found.networks)))
    measured["F1 count"] = f1_score(wrong, found.times_wrong >= most)
    flags = cleanlab_flags(found)
    if flags is not None:
        measured["F1 cleanlab"] = f1_score(wrong, flags)
    return measured


def known(folder: Path) -> None:
    """Known errors of real labels."""
    print("### Known errors\n")
    if not (folder / "predictions.parquet").is_file():
        print(f"{folder} holds no predictions.parquet: passed over.\n")
        return
    read = read_runs([str(folder / "predictions.parquet")], None)
    found = appearances_of(read.rows, read.images)
    errors = pd.read_csv(folder / "is_error.csv").set_index("image")["is_error"]
    wrong = errors.loc[found.images].to_numpy(dtype=bool)
    measured = measured_order(found, wrong)
    print(f"{len(wrong):,} images, {wrong.sum():,} wrong, {len(found.networks)} networks.\n")
    print(markdown_table(["", *measured], [("", *(f"{x:.4f}" for x in measured.values()))]))
    held = measured["AP"] >= BAR_AP and measured["F1"] >= BAR_F1
    print(f"\nBars of AP {BAR_AP} and F1 {BAR_F1}: {'held' if held else '**missed**'}.\n")


# coverage


def simulated_counts(
    images: int, networks: int, times: int, image_sd: float, both_sd: float, middle: float,
    random: np.random.Generator, patients: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """(wrong, seen, true error rates) of crossed effects; appearances are Poisson."""
    level = middle + random.normal(0, 0.4, networks)
    own = random.normal(0, image_sd, (images, 1))
    if patients is not None:
        own = own + random.normal(0, 0.8, patients.max() + 1)[patients, None]
    p = expit(level + own + random.normal(0, both_sd, (images, networks)))
    seen = random.poisson(times / networks, (images, networks))
    return random.binomial(seen, p), seen, p


def counted(wrong: np.ndarray, seen: np.ndarray, patients: np.ndarray | None = None) -> Appearances:
    names = np.array([f"{each:05d}" for each in range(len(wrong))])
    networks = tuple(f"network {each}" for each in range(wrong.shape[1]))
    p = np.where(seen[:, :, None] > 0, 0.5, np.nan) * np.ones(2)
    whose = names if patients is None else patients.astype(str)
    return Appearances(names, np.zeros(len(names), dtype=int), whose, networks, seen, wrong, p)


DESIGNS = ((0.3, 0.3, -1.5), (1.0, 0.5, -1.5), (2.0, 1.0, -1.5), (3.0, 0.5, -3.0))


def coverage(sets: int) -> None:
    print(
        "### Coverage of the 95 % intervals\n\nPer cent of images with a test appearance; sd of "
        f"logits by image and by image x network; mean of {sets} simulated sets.\n"
    )
    rows, every = [], []
    for images, networks, patients in ((242, 4, None), (484, 4, 242), (484, 1, None)):
        for image_sd, both_sd, middle in DESIGNS:
            cells = []
            for times in (3, 5, 10, 20, 40):
                random = np.random.default_rng(times)
                held = []
                for _ in range(sets):
                    whose = None if patients is None else np.arange(images) % patients
                    wrong, seen, p = simulated_counts(
                        images, networks, times, image_sd, both_sd if networks > 1 else 0.0,
                        middle, random, whose,
                    )  # fmt: skip
                    rates, truth = error_rates(counted(wrong, seen, whose)), p.mean(axis=1)
                    inside = (rates.low <= truth) & (truth <= rates.high)
                    held.append(inside[seen.any(axis=1)].mean())
                cells.append(100 * float(np.mean(held)))
            every += cells
            whom = f"{images} images" + (f" of {patients} patients" if patients else "")
            rows.append(
                (f"{whom}, {networks} networks", image_sd, both_sd if networks > 1 else 0,
                 *(f"{cell:.1f}" for cell in cells))
            )  # fmt: skip
    head = ["", "image", "x network", *(f"O = {times}" for times in (3, 5, 10, 20, 40))]
    print(markdown_table(head, rows))
    print(f"\nMean {np.mean(every):.1f} %, from {min(every):.1f} to {max(every):.1f} %.\n")


def expected(sets: int) -> None:
    print("### Numbers flagged at 0.9 without a wrong label\n")
    rows = []
    for times, image_sd, both_sd, middle in (
        (10, 0.0, 0.0, -1.0), (10, 1.0, 0.5, -1.2), (10, 2.0, 0.7, -2.0), (40, 3.0, 0.7, -2.5),
    ):  # fmt: skip
        random, held, last = np.random.default_rng(times), 0, []
        for _ in range(sets):
            wrong, seen, _ = simulated_counts(484, 4, times, image_sd, both_sd, middle, random)
            found = counted(wrong, seen)
            numbers = expected_flags(found, error_rates(found))
            held += numbers.fitted.low <= numbers.flagged <= numbers.fitted.high
            last.append(
                (numbers.flagged, numbers.equal.mean, numbers.fitted.mean, numbers.truly.mean)
            )
        means = np.mean(last, axis=0)
        rows.append((f"O = {times}", image_sd, both_sd, *(f"{x:.1f}" for x in means),
                     f"{held} of {sets}"))  # fmt: skip
    head = ["484 images, 4 networks", "image", "x network", "flagged", "expected, equal",
            "expected, fitted", "truly above", "in its interval"]  # fmt: skip
    print(markdown_table(head, rows) + "\n")


# time and memory


def large_file(folder: Path, images: int, networks: int, classes: int) -> Path:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    shared = random.normal(0, 1.5, (images, classes))
    frames = []
    for network in range(networks):
        logits = shared + random.normal(0, 1, (images, classes)) + 3 * np.eye(classes)[labels]
        p = np.exp(logits)
        p /= p.sum(axis=1, keepdims=True)
        frame = pd.DataFrame(p, columns=[f"p_{at}" for at in range(classes)])
        frame.insert(0, "image", [f"{at:06d}.png" for at in range(images)])
        frame.insert(1, "label", labels)
        frame.insert(2, "network", f"network {network}")
        frames.append(frame)
    path = folder / "predictions.parquet"
    pd.concat(frames).to_parquet(path, index=False)
    return path


def many_runs(folder: Path, images: int, networks: int, splits: int) -> Path:
    """Monte Carlo splits: a tenth of the images in each test set."""
    random = np.random.default_rng(0)
    hard = random.normal(1.5, 2, images)
    labels = random.integers(0, 2, images)
    frames = []
    for network in range(networks):
        for split in range(splits):
            at = random.permutation(images)[: images // 10]
            p = expit((hard[at] + random.normal(0, 1, len(at))) * np.where(labels[at], 1, -1))
            frames.append(
                pd.DataFrame({"image": at.astype(str), "label": labels[at], "patient": at // 2,
                              "network": f"network {network}", "run": split, "p_0": 1 - p,
                              "p_1": p})
            )  # fmt: skip
    path = folder / "runs.parquet"
    pd.concat(frames).to_parquet(path, index=False)
    return path


def size(quick: bool) -> None:
    print("### Time and memory of `abl audit`\n")
    images = 5_000 if quick else 50_000
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = {
            f"{images:,} images x 5 networks x 10 classes": large_file(folder, images, 5, 10),
            "484 images of 242 patients x 4 networks x 100 splits": many_runs(folder, 484, 4, 100),
        }
        for what, file in files.items():
            command = [sys.executable, __file__, "--one", str(file)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
            rows.append((what, *(f"{told[name]:.1f}" for name in ("seconds", "busy", "mib"))))
    print(markdown_table(["", "seconds", "of one CPU", "peak MiB of the process"], rows))
    held = float(rows[0][1]) <= BAR_SECONDS and float(rows[0][3]) <= BAR_MIB
    print(
        f"\nBar of {BAR_SECONDS:.0f} s and {BAR_MIB:.0f} MiB: {'held' if held else '**missed**'}.\n"
    )


def one(file: Path) -> None:
    began, worked = time.perf_counter(), time.process_time()
    audited(AuditAsked([str(file)], out=file.with_suffix(".csv")))
    seconds, busy = time.perf_counter() - began, time.process_time() - worked
    # Linux counts it in KiB
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "busy": busy, "mib": mib}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"{', '.join(PARTS)}, or known FOLDER")
    parser.add_argument("--quick", action="store_true", help="smaller: does it run?")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    if asked.one:
        one(asked.one)
        return
    print(f"## Audits of labels\n\n{machine_line()}\n", flush=True)
    parts = asked.parts or list(PARTS)
    if "known" in parts:
        at = parts.index("known")
        known(Path(parts[at + 1] if at + 1 < len(parts) else "label_errors"))
        parts = parts[:at] + parts[at + 2 :]
    work = {
        "size": lambda: size(asked.quick),
        "coverage": lambda: coverage(2 if asked.quick else 4),
        "expected": lambda: expected(3 if asked.quick else 20),
        "phantom": lambda: phantom(1 if asked.quick else 5),
        "planted": lambda: planted(1 if asked.quick else 5),
    }
    for part in parts:
        work[part]()
        sys.stdout.flush()


if __name__ == "__main__":
    main()

"""Curves over T* of all rules: `abl` against a straightforward loop with numpy and scikit-learn.

    python benchmarks/decide.py            # 1,000,000 images, and a size that the loop can finish
    python benchmarks/decide.py --quick

Five rules, accuracy, specificity, sensitivity, F1 and AUC at every threshold. Each way runs in a
process of its own. Exits with 1 if a curve is not that of the loop.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measuring import machine_line, markdown_table

RULES = ("original", "true", "average", "model1", "model2")
METRICS = ("acc", "spe", "sen", "f1", "auc")
BAR_SECONDS, BAR_MIB = 30, 4096


def predictions_of(images: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Labels and two networks that share most of what they see; float32, as networks give them."""
    rng = np.random.default_rng(images)
    labels = rng.integers(0, 2, images)
    shared = rng.normal(1.6 * (2 * labels - 1), 2.0)
    found = {}
    for name, noise in (("original", 1.0), ("true", 1.5)):
        malignant = (1 / (1 + np.exp(-shared - rng.normal(0, noise, images)))).astype(np.float32)
        found[name] = np.column_stack([1 - malignant, malignant]).astype(np.float64)
    return labels, found


def curves_by_abl(
    labels: np.ndarray, predictions: dict[str, np.ndarray], thresholds: np.ndarray
) -> pd.DataFrame:
    """One row a (rule, threshold)."""
    from abl.decide.curves import threshold_curve

    return pd.concat(
        [
            threshold_curve(labels, predictions, rule, thresholds.tolist(), METRICS)[[*METRICS]]
            for rule in RULES
        ],
        ignore_index=True,
    )


def curves_by_loop(
    labels: np.ndarray, predictions: dict[str, np.ndarray], thresholds: np.ndarray
) -> pd.DataFrame:
    """The same, as one would write it first."""
    from sklearn.metrics import accuracy_score, f1_score, recall_score, roc_auc_score

    original, true = predictions["original"], predictions["true"]
    average = (original + true) / 2
    confidence = np.abs(original[:, 0] - original[:, 1])
    rows = []
    for rule in RULES:
        for threshold in thresholds:
            ambiguous = (confidence < threshold)[:, None]
            p = {
                "original": lambda _: original,
                "true": lambda _: true,
                "average": lambda _: average,
                "model1": lambda sent: np.where(sent, true, original),
                "model2": lambda sent: np.where(sent, average, original),
            }[rule](ambiguous)
            final = (p[:, 1] >= p[:, 0]).astype(int)
            rows.append(
                (
                    accuracy_score(labels, final),
                    recall_score(labels, final, pos_label=0),
                    recall_score(labels, final),
                    f1_score(labels, final),
                    roc_auc_score(labels, p[:, 1]),
                )
            )
    return pd.DataFrame(rows, columns=list(METRICS))


def command_on_files(folder: Path, images: int, thresholds: int) -> float:
    """Seconds of what `abl decide --sweep --thresholds --curve --out` does, with Parquet files."""
    from abl.app.deciding.asked import Asked
    from abl.app.deciding.command import decided
    from abl.data.predictions.prediction_rows import write_prediction_table

    labels, predictions = predictions_of(images)
    names = [f"{at:07d}.png" for at in range(images)]
    for network, p in predictions.items():
        frame = pd.DataFrame({"image": names, "label": labels, "p_0": p[:, 0], "p_1": p[:, 1]})
        write_prediction_table(folder / f"{network}.parquet", frame)
    del labels, predictions, names, frame, p
    began = time.perf_counter()
    asked = Asked(
        folder / "original.parquet",
        folder / "true.parquet",
        sweep=True,
        thresholds=f"0:1:{thresholds}",
        curve=folder / "curve.csv",
        out=folder / "final.parquet",
    )
    decided(asked)
    return time.perf_counter() - began


def one(way: str, images: int, thresholds: int, out: Path) -> None:
    """One way in this process: its seconds and peak memory are printed, its curves written."""
    if way == "command":
        seconds = command_on_files(out.parent, images, thresholds)
    else:
        labels, predictions = predictions_of(images)
        curves = {"abl": curves_by_abl, "loop": curves_by_loop}[way]
        few = {name: p[:100] for name, p in predictions.items()}
        curves(labels[:100], few, np.linspace(0, 1, 2))  # imports
        began = time.perf_counter()
        found = curves(labels, predictions, np.linspace(0, 1, thresholds))
        seconds = time.perf_counter() - began
        found.to_parquet(out)
    # Linux counts it in KiB
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"seconds": seconds, "peak_mib": peak_mib}))


def measured(way: str, images: int, thresholds: int, out: Path) -> tuple[float, float]:
    """Seconds of the work alone, and the largest resident set of its process in MiB."""
    command = [sys.executable, __file__, "--one", way, "--images", str(images)]
    command += ["--thresholds", str(thresholds), "--out", str(out)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told = json.loads(done.stdout.splitlines()[-1])
    return told["seconds"], told["peak_mib"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller: does it run?")
    parser.add_argument("--one", choices=("abl", "loop", "command"), help=argparse.SUPPRESS)
    parser.add_argument("--images", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--thresholds", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        one(arguments.one, arguments.images, arguments.thresholds, arguments.out)
        return
    large = (50_000, 200) if arguments.quick else (1_000_000, 1_000)
    small = (2_000, 20) if arguments.quick else (20_000, 100)
    rows = []
    print(f"## Curves over T*\n\n{machine_line()}\n", flush=True)
    with tempfile.TemporaryDirectory() as name:
        out = {way: Path(name, f"{way}.parquet") for way in ("abl", "loop", "command")}
        for way, (images, thresholds), label in (
            ("loop", small, "loop with numpy and scikit-learn"),
            ("abl", small, "`threshold_curve`"),
            ("abl", large, "`threshold_curve`"),
            ("command", large, "`abl decide --sweep`, from and to Parquet"),
        ):
            seconds, mib = measured(way, images, thresholds, out[way])
            each = seconds / (images * thresholds * len(RULES)) * 1e9
            sizes = (f"{images:,}", f"{thresholds:,}")
            rows.append((label, *sizes, f"{seconds:.2f}", f"{each:.2f}", f"{mib:.0f}"))
            if way == "abl" and (images, thresholds) == small:
                ours, theirs = (pd.read_parquet(out[each]) for each in ("abl", "loop"))
                difference = float(np.abs(ours - theirs).to_numpy().max())
    head = (
        "way",
        "images",
        "thresholds",
        "seconds",
        "ns an image and threshold",
        "peak MiB of the process",
    )
    print(markdown_table(head, rows))
    print(f"\nLargest difference of any metric at any threshold: {difference:.1e}.")
    if not arguments.quick:
        bars = [
            "held" if float(row[3]) < BAR_SECONDS and float(row[5]) < BAR_MIB else "**missed**"
            for row in rows[2:]
        ]
        print(f"Bar of {BAR_SECONDS} s and {BAR_MIB} MiB: {bars[0]}; as a command {bars[1]}.")
    if not difference < 1e-12:
        raise SystemExit("the curves differ from those of the loop")


if __name__ == "__main__":
    main()

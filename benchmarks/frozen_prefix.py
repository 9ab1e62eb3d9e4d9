"""What keeping the features of frozen layers saves, beside plain freezing.

    python benchmarks/frozen_prefix.py                  # VGG16, n = 0..13, about eight minutes
    python benchmarks/frozen_prefix.py --quick

Prints a section for docs/benchmarks.md. One process, one thread, three ways to train an epoch on
the same images: plain freezing (the whole network forwards, gradients stop at the boundary), `abl`
with features computed again whenever they are needed, and `abl` with kept features. With a frozen
share f of the operations of a forward pass, plain freezing costs 3 - 2f forward passes a step and
kept features 3 - 3f: their ratio is the most that can be had.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from measuring import machine_line, markdown_table
from torch import nn

from abl import api
from abl.nets.cost import front_cost
from abl.nets.cut import cut_of
from abl.nets.model import Classifier, Design, build_classifier
from abl.plan.kept_features import CPU_BYTES, CPU_FLOPS
from abl.spec.data import Image
from abl.spec.train import Augment, Optimizer, Train
from abl.train.epoch import EpochRunner
from abl.train.feature_feed import FrontFeed, KeptFeed, write_features
from abl.train.feed import Feed, PixelFeed
from abl.train.process import reset_process

CPU = torch.device("cpu")
LEAST_SHARE = 0.8
BARRED_UP_TO = 0.9
TRAININGS, EPOCHS = 30, 10  # ten folds, three seeds
SWEEP = """
name: folds
study: frozen
data: {phantom: {patients: 120, size: 32}}
image: {size: 32}
splits: {kind: kfold, folds: 10}
replicates: {seeds: [0, 1, 2]}
train:
  network: vgg11
  weights: {pretrain: {task: source, patients: 12, size: 32}, epochs: 1}
  head: gap
  augment: {views: 1}
axes: {frozen: [4, 6]}
"""


def runner_of(network: nn.Module, feed: Feed, labels: np.ndarray, settings: Train) -> EpochRunner:
    """Trains the network on every image of the feed, an epoch at a time."""
    return EpochRunner(
        network,
        feed,
        np.arange(len(labels)),
        labels,
        rows=np.arange(len(labels)),
        class_weights=None,
        settings=settings,
        seed=0,
        device=CPU,
    )


def epoch_seconds(runners: Mapping[str, EpochRunner], repeats: int) -> dict[str, float]:
    """Median seconds of an epoch each way, in turns, after one that warms up.

    In turns, so that whatever else the machine does meets all ways alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runners}
    for epoch in range(1, repeats + 2):
        for name, runner in runners.items():
            began = time.perf_counter()
            runner.run(epoch, 1e-4)
            seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(each[1:]) for name, each in seconds.items()}


def measured(
    head: str, n: int, size: int, images: int, repeats: int, folder: Path
) -> dict[str, float]:
    """Seconds of an epoch each way, and of the extraction."""
    design = Design("vgg16", 2, 3, size, head=head, frozen=n)
    settings = Train(
        network="vgg16",
        frozen=n,
        head=head,
        batch_size=32,
        optimizer=Optimizer(lr=1e-4),
        augment=Augment(views=1),
        balance="none",
    )
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (images, 3, size, size), dtype=np.uint8)
    labels = np.arange(images) % 2
    feed = PixelFeed(pixels, Image(size=size), settings, seed=0, device=CPU)

    def fresh() -> Classifier:
        reset_process(0, threads=1)
        return build_classifier(design)

    plain = fresh()
    runners = {"plain": runner_of(plain, feed, labels, settings)}
    cost = front_cost("vgg16", n, classes=2, channels=3, image_size=size) if n else None
    if cost is None:
        found = epoch_seconds(runners, repeats)
        return found | {"share": 0.0, "computed": found["plain"], "kept": found["plain"]}
    network = fresh()
    cut = cut_of(design, network)
    assert cut is not None
    runners["computed"] = runner_of(network, FrontFeed(feed, cut), labels, settings)
    network = fresh()
    cut = cut_of(design, network)
    assert cut is not None
    began = time.perf_counter()
    kept = write_features(folder / f"{head}{n}.npy", cut.fronts[0], feed, settings)
    extraction = time.perf_counter() - began
    reading = KeptFeed([kept], [np.arange(images)], cut.behind, seed=0, device=CPU)
    runners["kept"] = runner_of(network, reading, labels, settings)
    return epoch_seconds(runners, repeats) | {
        "share": cost.share,
        "extraction": extraction,
        "megabytes": kept.nbytes / 1e6 / images,
        "used": float(cost.flops / CPU_FLOPS > cost.numbers * 4 / CPU_BYTES),
    }


def row(n: int, each: dict[str, float]) -> tuple[list[str], bool, bool]:
    """A line of the table; whether the bar is held, and whether keeping was never slower."""
    f = each["share"]
    most = (3 - 2 * f) / (3 - 3 * f) if f < 1 else float("inf")
    ratio = each["plain"] / each["kept"]
    barred = 0 < f <= BARRED_UP_TO
    held = not barred or ratio >= LEAST_SHARE * most
    whole = TRAININGS * EPOCHS
    with_it = whole * each["kept"] + each.get("extraction", 0.0)
    used = bool(each.get("used"))
    never_slower = not used or with_it <= whole * each["computed"]
    cells = [
        str(n),
        f"{f:.2f}",
        f"{each['plain']:.2f}",
        f"{each['computed']:.2f}",
        f"{each['kept']:.2f}",
        f"{ratio:.2f}",
        f"{most:.2f}" if f < 0.995 else "",
        (f"{ratio / most:.2f}" + ("" if held else " **missed**")) if barred else "",
        f"{each.get('megabytes', 0):.2f}" if n else "",
        ("kept" if used else "not kept") if n else "",
    ]
    return cells, held, never_slower


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--heads", nargs="+", default=["gap", "fc"], choices=["gap", "fc"])
    parser.add_argument("--quick", action="store_true", help="three values of n, one epoch")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--images", type=int, default=32)
    given = parser.parse_args()
    repeats = 1 if given.quick else 3
    counts = {"gap": range(14), "fc": [0, 2, 4, 6, 8, 10, 13]}
    if given.quick:
        counts = {"gap": [0, 6, 12], "fc": [6]}
    print("## Features of frozen layers\n")
    print(f"{machine_line()}\n")
    print(
        f"VGG16 at {given.size} px, {given.images} images, batches of 32, one thread, Adam; median "
        f"of {repeats} epochs. f: share of the operations in front of the cut.\n"
    )
    names = ["n", "f", "plain, s", "computed, s", "kept, s", "plain over kept", "at most",
             "share of it", "MB an image", "cost model"]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        for head in given.heads:
            every = counts[head]
            lines, held, slower = [], True, True
            total = {"plain": 0.0, "computed": 0.0, "kept": 0.0}
            for n in every:
                each = measured(head, n, given.size, given.images, repeats, Path(folder))
                cells, ok, fast = row(n, each)
                lines.append(cells)
                held, slower = held and ok, slower and fast
                for name in total:
                    total[name] += each[name]
            print(f"### Head {head}\n", flush=True)
            print(markdown_table(names, lines))
            sums = f"{total['plain']:.1f} s plain, {total['kept']:.1f} s with kept features"
            print(f"\nAn epoch at every n: {sums} ({total['plain'] / total['kept']:.2f} times).")
            if head == "gap":
                word = "held" if held else "**missed**"
                print(f"At least {LEAST_SHARE} of what can be had for f <= {BARRED_UP_TO}: {word}.")
            word = "yes" if slower else "**no**"
            print(
                f"Where the cost model keeps features, {TRAININGS} trainings of {EPOCHS} epochs "
                f"with their extraction are no slower than without: {word}.\n"
            )
        path = Path(folder) / "folds.yaml"
        path.write_text(SWEEP, encoding="utf-8")
        plan = api.load(path, root=Path(folder) / "mlruns").plan
        kinds = [stage.kind for stage in plan.stages.values()]
        print(
            f"Ten folds, three seeds, two values of n: {kinds.count('train') - 1} trainings read "
            f"{kinds.count('features')} extractions."
        )


if __name__ == "__main__":
    main()

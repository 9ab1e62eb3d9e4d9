"""Trainings of one shape as one program, against one after the other and three processes at once.

    python benchmarks/bundles.py               # on a GPU; meant to end within ten minutes
    python benchmarks/bundles.py --quick       # two small trainings: whether it runs

Needs torch, torchvision, numpy, pandas, pyarrow, safetensors and pydantic: no ray, no mlflow.
Prints a section for docs/benchmarks.md. All ways train on the same random images with augmentation,
predict validation after each epoch, and are measured by the median epoch after the first two, in
which a GPU chooses its kernels. Equal seeds are checked to give the same losses.
"""

from __future__ import annotations

import argparse
import multiprocessing
import platform
import statistics
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from abl.nets.build import build_network
from abl.spec.data import Image
from abl.spec.train import Train
from abl.train.bundle import BundledTraining, fit_bundle
from abl.train.feed import PixelFeed
from abl.train.fit import TrainingRows, fit
from abl.train.process import release_memory, reset_process

WARM = 2  # epochs that do not count
PACKED = 3  # processes at once


@dataclass(frozen=True)
class Case:
    """What is trained.

    Attributes:
        members: Trainings.
        wanted: How many times faster as one program than one after the other, at least.
        images: Of the training part; validation has a quarter of it.
    """

    network: str
    size: int
    members: int
    wanted: float
    images: int = 512
    batch: int = 32
    epochs: int = 5


CASES = [
    Case("cnn2", 140, 32, 5.0),
    Case("plain4", 64, 32, 5.0),
    Case("mobilenet_v2", 64, 3, 2.4),
]
QUICK = [
    Case("cnn2", 24, 2, 5.0, images=16, batch=8, epochs=3),
    Case("plain4", 16, 4, 5.0, images=64, batch=8, epochs=4),
    Case("mobilenet_v2", 32, 2, 2.4, images=16, batch=8, epochs=3),
]


def trainings(case: Case, seeds: list[int], device: torch.device) -> list[BundledTraining]:
    """One for each seed, on the same images."""
    draw = np.random.default_rng(0)
    count = case.images + case.images // 4
    pixels = draw.integers(0, 256, (count, 3, case.size, case.size), dtype=np.uint8)
    labels = np.arange(count) % 2
    places = np.arange(count)
    train, validation = places[: case.images], places[case.images :]
    settings = Train.model_validate(
        {
            "network": case.network, "epochs": case.epochs, "last_k": 1, "batch_size": case.batch,
            "deterministic": False, "balance": "none",
        }
    )  # fmt: skip
    image = Image(size=case.size)
    first = PixelFeed(pixels, image, settings, seed=0, device=device)
    made = []
    for seed in seeds:
        reset_process(seed, deterministic=False)
        network = build_network(
            case.network, weights="none", classes=2, channels=3, image_size=case.size
        )
        feed = PixelFeed(first.pixels, image, settings, seed=seed, device=device)
        rows = TrainingRows(
            train,
            labels[train],
            classes=2,
            evaluate={"validation": validation},
            validation_labels=labels[validation],
        )
        made.append(BundledTraining(network, feed, rows, settings, image, seed))
    return made


def one(training: BundledTraining, device: torch.device) -> Any:
    """Trains it by itself; its history."""
    return fit(
        training.network,
        training.feed,
        training.rows,
        settings=training.settings,
        image=training.image,
        seed=training.seed,
        device=device,
    ).history


def packed(case: Case, seed: int, barrier: Any, told: Any) -> None:
    """One of several processes that share the device: its seconds an epoch."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    (training,) = trainings(case, [seed], device)
    barrier.wait()
    history = one(training, device)
    told.put(statistics.median(history["seconds"][WARM:]))


def in_processes(case: Case) -> float:
    """Seconds an epoch of one training, with PACKED of them at once on the device."""
    context = multiprocessing.get_context("spawn")
    barrier, told = context.Barrier(PACKED), context.Queue()
    # longer than the others, so that all are at work while epochs count
    longer = Case(**{**vars(case), "epochs": 3 * case.epochs})
    processes = [
        context.Process(target=packed, args=(longer, seed, barrier, told)) for seed in range(PACKED)
    ]
    for process in processes:
        process.start()
    seconds = [told.get(timeout=300) for _ in processes]
    for process in processes:
        process.join()
    return statistics.mean(seconds) / PACKED


def peak_mib(device: torch.device) -> str:
    """Most memory that tensors held on the device since the last reset."""
    if device.type != "cuda":
        return "-"
    held = torch.cuda.max_memory_allocated() / 2**20
    torch.cuda.reset_peak_memory_stats()
    return f"{held:.0f}"


def measured(case: Case, device: torch.device) -> list[str]:
    """A row of the table."""
    alone = one(trainings(case, [0], device)[0], device)
    single = statistics.median(alone["seconds"][WARM:])
    memory = peak_mib(device)
    release_memory()
    outcomes = fit_bundle(trainings(case, list(range(case.members)), device), device=device)
    first = outcomes[0].result
    if first is None:
        return [case.network, f"ended: {outcomes[0].error}", *[""] * 9]
    # of each training its share: the epoch of all, divided by their number
    share = statistics.median(first.history["seconds"][WARM:])
    off = abs(float(first.history["train_loss"][0]) - float(alone["train_loss"][0]))
    more = peak_mib(device)
    del outcomes, first
    release_memory()
    beside = in_processes(case)
    times, over_packed = single / share, beside / share
    reached = times >= case.wanted and over_packed > 1
    images = case.images / share
    return [
        case.network, str(case.size), str(case.members), f"{1000 * single:.1f}",
        f"{1000 * beside:.1f}", f"{1000 * share:.1f}", f"{times:.2f}", f"{over_packed:.2f}",
        f"{images:.0f}", f"{memory} / {more}", f"{off:.1e}",
        "reached" if reached else "**missed**",
    ]  # fmt: skip


def main() -> None:
    """Measures each case and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--network", help="only this one")
    given = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
    began = time.perf_counter()
    print("## Trainings as one program\n")
    print(f"{name}; Python {platform.python_version()}, torch {torch.__version__}; milliseconds an")
    print("epoch of one training with its validation; the loss of the first epoch is compared.\n")
    names = ["network", "px", "trainings", "alone, ms", f"{PACKED} processes, ms", "as one, ms",
             "over alone", "over processes", "images/s", "peak MiB alone / as one",
             "loss differs by", "bar"]  # fmt: skip
    print(f"| {' | '.join(names)} |")
    print(f"| --- |{' ---: |' * (len(names) - 1)}")
    for case in QUICK if given.quick else CASES:
        if given.network in (None, case.network):
            print(f"| {' | '.join(measured(case, device))} |", flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s in all.")


if __name__ == "__main__":
    main()

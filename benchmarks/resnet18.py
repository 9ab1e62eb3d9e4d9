"""A ResNet18 at 96 px, trained by a plain PyTorch loop with a DataLoader and by `abl`.

    python benchmarks/resnet18.py            # about ten minutes on 2 CPUs
    python benchmarks/resnet18.py --quick    # does it run?

Both train from random weights on the same images, for the same epochs and seeds, with Adam, batches
of 32 and turned and flipped images, one thread, one training at a time in this process. The loop is
what one writes: torchvision's ResNet18 and transforms, a Dataset that opens image files, a
DataLoader. Compared are CPU seconds of a training with its predictions, and its test accuracy.
`abl` computes in bf16 too, which only a processor with instructions for it does faster.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from measuring import figure, machine_line, markdown_table
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import models, transforms

import abl
from abl.data.phantom import write_phantom
from abl.plan.stage import Stage
from abl.spec.data import Phantom

SIZE, BATCH, RATE = 96, 32, 1e-3
LOOP = "plain loop"
# what each trains with; the loop is no sweep
WAYS: dict[str, dict[str, object] | None] = {
    LOOP: None,
    "`abl`, contiguous": {"memory_format": "contiguous"},
    "`abl`": {},
    "`abl`, bf16": {"precision": "bf16"},
}


def write_images(folder: Path, patients: int) -> pd.DataFrame:
    """Image files and a manifest whose column `split` has a third of the patients as test."""
    write_phantom(Phantom(patients=patients, size=SIZE, seed=7), folder)
    table = pd.read_csv(folder / "manifest.csv")[["image", "label", "patient"]]
    patient = table["patient"].astype("category").cat.codes
    table["split"] = np.choose(
        patient % 6, ["test", "train", "train", "test", "train", "validation"]
    )
    table.to_csv(folder / "manifest.csv", index=False)
    return table


class Images(Dataset[tuple[torch.Tensor, int]]):
    """Opens a file an image, as most people's data sets do."""

    def __init__(self, folder: Path, table: pd.DataFrame, *, augment: bool):
        self._rows = [(folder / row.image, int(row.label)) for row in table.itertuples()]
        turned = [transforms.RandomHorizontalFlip(), transforms.RandomRotation(15)]
        scaled = [transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
        self._change = transforms.Compose([*(turned if augment else []), *scaled])

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, at: int) -> tuple[torch.Tensor, int]:
        path, label = self._rows[at]
        return self._change(Image.open(path).convert("L")), label


def plain_loop(folder: Path, table: pd.DataFrame, epochs: int, seed: int) -> float:
    """Test accuracy of the network as it is after the last epoch."""
    torch.manual_seed(seed)
    parts = dict(iter(table.groupby("split")))
    train = DataLoader(Images(folder, parts["train"], augment=True), BATCH, shuffle=True)
    held = {
        name: DataLoader(Images(folder, parts[name], augment=False), 128)
        for name in ("validation", "test")
    }
    network = models.resnet18(num_classes=2)
    network.conv1 = nn.Conv2d(1, 64, 7, 2, 3, bias=False)
    optimizer, loss = torch.optim.Adam(network.parameters(), lr=RATE), nn.CrossEntropyLoss()

    def accuracy(name: str) -> float:
        network.eval()
        with torch.no_grad():
            right = [(network(x).argmax(1) == y).float() for x, y in held[name]]
        return float(torch.cat(right).mean())

    for _ in range(epochs):
        network.train()
        for x, y in train:
            optimizer.zero_grad()
            loss(network(x), y).backward()
            optimizer.step()
        accuracy("validation")
    return accuracy("test")


class Stopwatch(abl.Callback):
    """CPU seconds of trainings, which run in this process."""

    seconds = 0.0

    def started(self, stage: Stage, where: str) -> None:
        self._began = time.process_time()

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        if stage.kind == "train" and not reused:
            self.seconds += time.process_time() - self._began


def by_abl(
    folder: Path, runs: Path, epochs: int, seed: int, **train: object
) -> tuple[float, float]:
    """CPU seconds of the same training by `abl`, and its test accuracy."""
    sweep = abl.load(
        {
            "name": "resnet18",
            "study": "compare",
            "data": {"manifest": "manifest.csv", "duplicates": "ignore"},
            "image": {"size": SIZE, "channels": 1, "normalize": "half"},
            "splits": {"kind": "column"},
            "replicates": {"seeds": [seed]},
            "train": {
                "network": "resnet18", "weights": "none", "epochs": epochs, "last_k": 1,
                "batch_size": BATCH, "optimizer": {"name": "adam", "lr": RATE},
                "augment": {"rotate_deg": 15, "flip": True}, "balance": "none", **train,
            },
            "axes": {"train.batch_size": [BATCH]},
            "metrics": ["acc"],
            "primary": "acc",
            "resamples": 200,
        },
        data=[folder],
        root=runs,
    )  # fmt: skip
    watch = Stopwatch()
    result = abl.run(sweep, executor="local", record=False, listener=watch)
    return watch.seconds, float(result.table["acc_mean"].iloc[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="40 patients, one epoch, one seed")
    arguments = parser.parse_args()
    patients, epochs, seeds = arguments.patients, arguments.epochs, arguments.seeds
    if arguments.quick:
        patients, epochs, seeds = 40, 1, 1
    torch.set_num_threads(1)
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="abl-benchmark-") as name:
        folder = Path(name, "images")
        table = write_images(folder, patients)
        for seed in range(seeds):
            for way, train in WAYS.items():
                if train is None:
                    began = time.process_time()
                    accuracy = plain_loop(folder, table, epochs, seed)
                    run = time.process_time() - began, accuracy
                else:
                    run = by_abl(folder, Path(name, way), epochs, seed, **train)
                taken.setdefault(way, []).append(run)
                print(f"{way}, seed {seed}: {run[0]:.1f} s, {run[1]:.3f}", file=sys.stderr)
    middle = {way: statistics.median(s for s, _ in runs) for way, runs in taken.items()}
    rows = [
        (
            way,
            f"{middle[way]:.1f}",
            f"{min(runs)[0]:.1f} to {max(runs)[0]:.1f}",
            f"{middle[LOOP] / middle[way]:.2f}",
            " ".join(f"{accuracy:.3f}" for _, accuracy in runs),
        )
        for way, runs in taken.items()
    ]
    for way, seconds in middle.items():
        figure(f"{way}, CPU s", seconds)
    parts = ", ".join(f"{n} {part}" for part, n in table["split"].value_counts().items())
    print(f"{machine_line()}\n\n{parts} images, {epochs} epochs, {seeds} seeds in turns.\n")
    head = ("way", "CPU s a training", "least to most", "loop over it", "test accuracy by seed")
    print(markdown_table(head, rows))


if __name__ == "__main__":
    main()

"""What attention modules and the segmentation branch cost beside the plain network.

    python benchmarks/mask_guided.py                # ResNet18 at 96 px, about two minutes
    python benchmarks/mask_guided.py --quick

Prints a section for docs/benchmarks.md. One process, one thread: a training step and a prediction
of the same batch by every variant, in turns, and the memory that a step holds beyond the weights
(tensors saved for the backward pass).
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from measuring import machine_line, markdown_table
from torch import Tensor, nn

from abl.nets.mask_guided import build_guided
from abl.nets.model import Design, build_classifier
from abl.spec.attention import Attention, Segmentation
from abl.train.epoch import Joint, Objective, StepPart, classification


def ways(network: str, size: int) -> dict[str, tuple[nn.Module, Objective]]:
    """Every variant with ones for a mask, and the proposed one with its branch."""
    design = Design(network, 2, 3, size)
    branch = Segmentation(encoder="resnet18")
    found: dict[str, tuple[nn.Module, Objective]] = {
        "none": (build_classifier(design), classification)
    }
    for variant in ("se", "cbam", "channel", "spatial", "serial", "parallel"):
        asked = Attention(variant=variant, mask="full")
        found[variant] = (build_guided(design, asked), classification)
    blocks = Attention(variant="parallel", mask="full", points="blocks")
    found["parallel, behind every block"] = (build_guided(design, blocks), classification)
    predicted = Attention(variant="parallel", segmentation=branch)
    found["parallel with its branch (U-Net, ResNet18)"] = (
        build_guided(design, predicted),
        Joint("bce_dice", 0.5),
    )
    return found


class Measured:
    """A network with what it has taken so far."""

    def __init__(self, network: nn.Module, objective: Objective, batch: int, size: int):
        self.network, self.objective = network, objective
        generator = torch.Generator().manual_seed(0)
        self.images = torch.rand(batch, 3, size, size, generator=generator)
        self.masks = (torch.rand(batch, 1, size, size, generator=generator) > 0.8).float()
        self.labels = torch.arange(batch) % 2
        self.optimizer = torch.optim.Adam(network.parameters(), 1e-4, fused=True)
        self.steps: list[float] = []
        self.predictions: list[float] = []

    @property
    def parameters(self) -> int:
        return sum(each.numel() for each in self.network.parameters())

    def step(self) -> None:
        begun = time.perf_counter()
        self._loss().backward()
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.steps.append(time.perf_counter() - begun)

    def predict(self) -> None:
        self.network.eval()
        begun = time.perf_counter()
        with torch.inference_mode():
            self.network(self.images)
        self.predictions.append(time.perf_counter() - begun)
        self.network.train()

    def saved_mib(self) -> float:
        """MiB of the tensors that the backward pass needs, each memory once; weights left out."""
        kept: dict[int, int] = {}
        own = {each.untyped_storage().data_ptr() for each in self.network.state_dict().values()}

        def keep(tensor: Tensor) -> Tensor:
            memory = tensor.untyped_storage()
            if memory.data_ptr() not in own:
                kept[memory.data_ptr()] = memory.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = self._loss()
        del loss
        return sum(kept.values()) / 2**20

    def _loss(self) -> Tensor:
        output = self.network(self.images)
        inputs = (self.images, self.masks)
        return self.objective(StepPart(output, inputs, self.labels, self.labels, None))[0]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    size, batch, turns = (64, 4, 1) if given.quick else (given.size, given.batch, 5)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    every = {
        name: Measured(network.train(), objective, batch, size)
        for name, (network, objective) in ways(given.network, size).items()
    }
    for each in every.values():
        each.step()  # does not count
        each.steps.clear()
    for _ in range(turns):
        for each in every.values():
            each.step()
            each.predict()
    base = every["none"]
    step, predicted = statistics.median(base.steps), statistics.median(base.predictions)
    memory = base.saved_mib()
    print("## Attention modules\n")
    print(f"{machine_line()}\n")
    print(
        f"{given.network} at {size} px, batches of {batch}, one thread; median of {turns} turns.\n"
    )
    rows = [
        (
            name,
            f"{each.parameters / 1e6:.2f}",
            f"{statistics.median(each.steps):.3f}",
            f"{statistics.median(each.steps) / step:.2f}",
            f"{statistics.median(each.predictions) / predicted:.2f}",
            f"{each.saved_mib() / memory:.2f}",
        )
        for name, each in every.items()
    ]
    names = ["variant", "parameters, M", "step, s", "step over none", "prediction over none",
             "saved for backward over none"]  # fmt: skip
    print(markdown_table(names, rows))


if __name__ == "__main__":
    main()

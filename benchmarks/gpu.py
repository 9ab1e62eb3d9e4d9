"""Images a second of ResNet34 with a U-Net branch, trained and predicted, in several ways.

    python benchmarks/gpu.py                        # 224 px, batch 32; on a GPU about five minutes
    python benchmarks/gpu.py --quick                # 64 px, batch 8, two steps: whether it runs

Needs torch, torchvision, timm, segmentation-models-pytorch, numpy, pandas, pyarrow and pydantic: no
ray, no mlflow. Prints a section for docs/benchmarks.md. One process, the same batches every way,
after steps that do not count; the median of three turns.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import statistics
import time

import torch
from torch import Tensor, nn

from abl.nets.mask_guided import build_guided
from abl.nets.model import Design, build_classifier
from abl.spec.attention import Attention, Segmentation
from abl.train.epoch import Joint, Objective, StepPart, classification

TURNS = 3


def network_of(guided: bool, size: int) -> tuple[nn.Module, Objective]:
    """ResNet34, alone or with parallel attention at all points and a U-Net with a ResNet18."""
    torch.manual_seed(0)
    design = Design("resnet34", 2, 3, size)
    if not guided:
        return build_classifier(design), classification
    attention = Attention(variant="parallel", segmentation=Segmentation(encoder="resnet18"))
    return build_guided(design, attention), Joint("bce_dice", 0.5)


class Way:
    """One way to run a network: precision, memory layout, compiled or not."""

    def __init__(
        self, guided: bool, size: int, batch: int, device: torch.device,
        *, half: bool, last: bool, compiled: bool,
    ):  # fmt: skip
        network, self.objective = network_of(guided, size)
        layout = torch.channels_last if last else torch.contiguous_format
        self.network = network.to(device).to(memory_format=layout)
        self.call = torch.compile(self.network) if compiled else self.network
        self.device, self.batch = device, batch
        self.dtype = torch.bfloat16 if half else torch.float32
        generator = torch.Generator().manual_seed(1)
        images = torch.rand(batch, 3, size, size, generator=generator)
        self.images = images.to(device).to(memory_format=layout)
        masks = torch.rand(batch, 1, size, size, generator=generator) > 0.8
        self.masks = masks.float().to(device)
        self.labels = (torch.arange(batch) % 2).to(device)
        self.optimizer = torch.optim.Adam(self.network.parameters(), 1e-4, fused=True)

    def forward(self) -> Tensor | tuple[Tensor, Tensor]:
        half = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled=half):
            given = (self.images, self.masks)
            return (
                self.call(*given) if self.objective is not classification else self.call(given[0])
            )

    def step(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        inputs = (self.images, self.masks)
        part = StepPart(self.forward(), inputs, self.labels, self.labels, None)
        self.objective(part)[0].backward()
        self.optimizer.step()

    def images_a_second(self, steps: int, *, trained: bool) -> float:
        self.network.train(trained)
        begun = 0.0
        for at in range(-2, steps):
            if at == 0:
                wait(self.device)
                begun = time.perf_counter()
            if trained:
                self.step()
            else:
                with torch.inference_mode():
                    self.forward()
        wait(self.device)
        return steps * self.batch / (time.perf_counter() - begun)


def wait(device: torch.device) -> None:
    """Until the device has done what it was told."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def peak_mib(device: torch.device) -> str:
    """Most memory that tensors held on the device since the last reset."""
    if device.type != "cuda":
        return "-"
    return f"{torch.cuda.max_memory_allocated() / 2**20:.0f}"


def main() -> None:
    """Measures every way and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    size, batch, steps = (64, 8, 2) if given.quick else (given.size, given.batch, given.steps)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else platform.processor() or "CPU"
    print("## ResNet34 with a U-Net branch\n")
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    print(
        f"{name}; {versions}; {size} px, batch of {batch}, {steps} steps, median of {TURNS} turns;"
    )
    print("images a second.\n")
    names = ["network", "autocast", "channels-last", "compiled", "training", "over the first",
             "prediction", "peak MiB"]  # fmt: skip
    print(f"| {' | '.join(names)} |")
    print("| --- | --- | --- | --- | ---: | ---: | ---: | ---: |")
    for guided in (False, True):
        first = 0.0
        for half, last, compiled in itertools.product((False, True), repeat=3):
            if device.type == "cuda":
                torch.cuda.empty_cache()
                torch.cuda.reset_peak_memory_stats()
            asked = {"half": half, "last": last, "compiled": compiled}
            try:
                way = Way(guided, size, batch, device, **asked)
                turns = [way.images_a_second(steps, trained=True) for _ in range(TURNS)]
                rate = statistics.median(turns)
                memory = peak_mib(device)
                predicted = statistics.median(
                    way.images_a_second(steps, trained=False) for _ in range(TURNS)
                )
            except RuntimeError as error:  # a way that a machine cannot go is a row that says so
                reason = (str(error).splitlines() or [type(error).__name__])[0][:60]
                print(f"| {guided} | {half} | {last} | {compiled} | {reason} | | | |", flush=True)
                continue
            first = first or rate
            words = ["bf16" if half else "no", *("yes" if on else "no" for on in (last, compiled))]
            what = "with branch" if guided else "base"
            print(f"| {what} | {' | '.join(words)} | {rate:.0f} | {rate / first:.2f} | "
                  f"{predicted:.0f} | {memory} |", flush=True)  # fmt: skip
            del way
            torch.compiler.reset()


if __name__ == "__main__":
    main()

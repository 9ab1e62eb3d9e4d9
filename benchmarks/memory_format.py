"""What the memory format, and memory kept between steps, do to a training step on a CPU.

    python benchmarks/memory_format.py            # 26 networks, four steps or more of each
    python benchmarks/memory_format.py --quick    # two networks: does it run?

One thread; a step is forward, backward and Adam, of random images. Contiguous and channels_last in
turns in one process; then channels_last in a process that keeps what a step frees. CPU seconds, so
that other work on the machine counts for little. Prints a table for docs/benchmarks.md: the ground
of the rule in src/abl/nets/memory_format.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch
from measuring import machine_line, markdown_table
from torch.nn import functional

from abl.nets.build import build_network
from abl.nets.memory_format import gains_by_channels_last
from abl.spec.train import Optimizer
from abl.train.epoch import make_optimizer
from abl.train.process import keep_freed_memory, reset_process

# network, pixels, images a step, channels
CASES = (
    ("plain4", 64, 32, 1), ("tiny_vgg", 64, 32, 1), ("tiny_resnet", 64, 32, 1),
    ("tiny_dense", 64, 32, 1), ("tiny_inception", 64, 32, 1), ("tiny_mobile", 64, 32, 1),
    ("cnn1", 140, 32, 1), ("cnn2", 140, 32, 1), ("resnet18", 96, 32, 3), ("resnet34", 96, 32, 3),
    ("resnet50", 96, 16, 3), ("resnext50_32x4d", 64, 8, 3), ("densenet121", 64, 16, 3),
    ("googlenet", 96, 16, 3), ("inception_v3", 96, 16, 3), ("mobilenet_v2", 96, 32, 3),
    ("efficientnet_b0", 96, 16, 3), ("shufflenet_v2_x1_0", 96, 32, 3), ("squeezenet1_1", 96, 32, 3),
    ("regnet_x_400mf", 96, 16, 3), ("alexnet", 96, 32, 3), ("vgg11", 64, 32, 3),
    ("vgg16_bn", 64, 8, 3), ("convnext_tiny", 64, 8, 3), ("vit_b_16", 64, 16, 3),
    ("swin_t", 64, 8, 3),
)  # fmt: skip


def step_of(name: str, size: int, batch: int, channels: int, *, last: bool) -> Callable[[], None]:
    """A training step that may be called again and again."""
    reset_process(0)
    network = build_network(name, classes=2, channels=channels, image_size=size).train()
    images, labels = torch.rand(batch, channels, size, size), torch.arange(batch) % 2
    if last:
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        images = images.contiguous(memory_format=torch.channels_last)
    optimizer = make_optimizer(network, Optimizer())

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        functional.cross_entropy(network(images), labels).backward()
        optimizer.step()

    step()
    step()
    return step


def medians(steps: list[Callable[[], None]], seconds: float) -> list[float]:
    """CPU milliseconds of each, in turns, for so many CPU seconds."""
    times: list[list[float]] = [[] for _ in steps]
    end = time.process_time() + seconds
    while len(times[0]) < 3 or time.process_time() < end:
        for at, step in enumerate(steps):
            began = time.process_time()
            step()
            times[at].append(1000 * (time.process_time() - began))
    return [statistics.median(each) for each in times]


def measured(case: tuple[str, int, int, int], kept: bool, seconds: float) -> list[float]:
    """Medians, and the most memory that the process held in MiB."""
    if kept:
        keep_freed_memory()
    formats = (True,) if kept else (False, True)
    found = medians([step_of(*case, last=last) for last in formats], seconds)
    return [*found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]


def in_a_process(case: tuple[str, int, int, int], kept: bool, seconds: float) -> list[float]:
    asked = json.dumps([case, kept, seconds])
    words = [sys.executable, __file__, "--one", asked]
    said = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return list(json.loads(said.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=6.0, help="of CPU for each")
    parser.add_argument("--networks", nargs="+", help="only these")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        case, kept, seconds = json.loads(asked.one)
        print(json.dumps(measured(tuple(case), kept, seconds)))
        return
    cases = [each for each in CASES if not asked.networks or each[0] in asked.networks]
    seconds = asked.seconds
    if asked.quick:
        cases, seconds = [each for each in cases if each[0] in ("plain4", "tiny_mobile")], 1.0
    rows = []
    for case in cases:
        plain, last, _ = in_a_process(case, False, seconds)
        best, _ = in_a_process(case, True, seconds)
        name, size, batch, _ = case
        rule = "channels_last" if gains_by_channels_last(name) else "contiguous"
        ratios = (f"{plain / last:.2f}", f"{last / best:.2f}", f"{plain / best:.2f}")
        rows.append(
            (name, size, batch, f"{plain:.1f}", f"{last:.1f}", f"{best:.1f}", *ratios, rule)
        )
        print(" ".join(map(str, rows[-1])), file=sys.stderr, flush=True)
    head = ("network", "px", "images", "contiguous, ms", "channels_last, ms", "and memory kept, ms",
            "by the format", "by the memory", "by both", "rule")  # fmt: skip
    print(f"{machine_line()}\n\n{markdown_table(head, rows)}")


if __name__ == "__main__":
    main()

"""What this machine can train in the time that a first table may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from abl.data.workers import available_workers
from abl.errors import InputError

MINUTES = 30.0  # that a first table may take
SIZES = (224, 160, 128, 96, 64, 48, 32)
SMALLEST = 64  # reduced to before folds are, if images are that large

# milliseconds to train on one grey image of 64 px, on one core: batches of 32, fp32, an Intel Xeon
CPU_MS_64 = {
    "plain4": 0.6, "tiny_resnet": 0.8, "tiny_dense": 0.9,
    "resnet18": 18.0, "mobilenet_v3_small": 5.0, "densenet121": 40.0, "efficientnet_b0": 25.0,
}  # fmt: skip
# the same on a GPU for an image of 224 px; not measured: 5 TFLOP/s, a third of it where layers are
# thin, and half a millisecond at least
GPU_MS_224 = {
    "plain4": 0.5, "tiny_resnet": 0.5, "tiny_dense": 0.5,
    "resnet18": 2.2, "mobilenet_v3_small": 0.6, "densenet121": 8.0, "efficientnet_b0": 3.0,
}  # fmt: skip
START_S = 1.5  # seconds of every training but for its steps
SCRATCH = ("tiny_resnet", "plain4", "tiny_dense")
SCRATCH_ON_GPU = ("resnet18", "tiny_resnet", "densenet121")
PRETRAINED = ("resnet18", "densenet121", "efficientnet_b0", "mobilenet_v3_small")
PANEL = 3


@dataclass(frozen=True)
class Machine:
    """What trains.

    Attributes:
        cpus: Cores that this process may use.
        gpu: Name of the first GPU, "" without one.
        gpus: How many there are.
        with_weights: Networks whose ImageNet weights lie on this machine.
    """

    cpus: int
    gpu: str
    gpus: int
    with_weights: tuple[str, ...]

    @property
    def said(self) -> str:
        cores = f"{self.cpus} CPU {'core' if self.cpus == 1 else 'cores'}"
        return f"{cores}, {self.gpu}" if self.gpu else f"{cores}, no GPU"


@dataclass(frozen=True)
class Panel:
    """Networks to compare, and how they start.

    Attributes:
        networks: The first is the one that the others are compared with.
        pretrained: Whether from ImageNet weights.
        size: Side of the images, in pixels.
        folds: Of the cross-validation.
        epochs: Of each training.
        minutes: Estimated, for all trainings on this machine.
    """

    networks: tuple[str, ...]
    pretrained: bool
    size: int
    folds: int
    epochs: int
    minutes: float


def this_machine() -> Machine:
    """CPUs, GPUs and the hub's cache of this machine; nothing is downloaded."""
    import torch  # seconds, which other commands are spared

    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpu = torch.cuda.get_device_name(0) if gpus else ""
    return Machine(available_workers(), gpu, gpus, _with_weights())


def _with_weights() -> tuple[str, ...]:
    from abl.nets.weights import hub_fingerprint

    found = []
    for name in PRETRAINED:
        try:
            if hub_fingerprint(name, fetch=False):
                found.append(name)
        except InputError:
            continue
    return tuple(found)


def chosen_panel(
    machine: Machine,
    *,
    images: int,
    side: int,
    most_folds: int,
    seeds: int,
    networks: Sequence[str] = (),
    size: int | None = None,
    minutes: float = MINUTES,
) -> Panel:
    """The networks and the image size for a machine.

    The rule: ImageNet networks if weights of two lie on the machine, else small ones from scratch;
    the largest size up to that of the images with which all trainings are estimated to end in the
    time; where not even 64 pixels do, three folds instead of five, then the smallest.

    Args:
        images: Of all classes, after the smaller ones are duplicated.
        side: Median of the shorter sides, in pixels.
        most_folds: What the data allow.
        networks, size: Asked for; else chosen.
    """
    pretrained = len(machine.with_weights) >= 2
    scratch = SCRATCH_ON_GPU if machine.gpu else SCRATCH
    kinds = [(tuple(machine.with_weights[:PANEL]), True)] if pretrained else []
    kinds.append((scratch, False))
    if networks:
        kinds = [(tuple(networks), False)]
    fitting = [each for each in SIZES if each <= max(side, SIZES[-1])]
    large = [each for each in fitting if each >= SMALLEST] or fitting[:1]
    sizes = [size] if size is not None else large
    panel = None
    for folds in dict.fromkeys((most_folds, min(most_folds, 3))):
        for names, starts in kinds:
            for each in sizes:
                epochs = 10 if starts else 20
                time = estimated_minutes(machine, names, each, images, folds, seeds, epochs)
                panel = Panel(names, starts, each, folds, epochs, time)
                if time <= minutes:
                    return panel
    assert panel is not None
    return panel


def estimated_minutes(
    machine: Machine,
    networks: Sequence[str],
    size: int,
    images: int,
    folds: int,
    seeds: int,
    epochs: int,
) -> float:
    """Minutes of all trainings; their validation costs a tenth more."""
    slowest = max((GPU_MS_224 if machine.gpu else CPU_MS_64).values())
    if machine.gpu:
        each = sum(GPU_MS_224.get(name, slowest) for name in networks) * max(size / 224, 0.25) ** 2
        at_once = machine.gpus
    else:
        each = sum(_cpu_ms(name, size) or slowest * (size / 64) ** 2 for name in networks)
        at_once = machine.cpus
    share = 0.8 * (1 - 1 / folds) if folds > 1 else 0.6
    steps = 1.1 * each * images * share * epochs / 1000
    return (steps + START_S * len(networks)) * folds * seeds / at_once / 60


def estimated_training_s(network: str, size: int, images: int, epochs: int) -> float | None:
    """Seconds of one training on a CPU core of an idle machine; None of a network not measured."""
    each = _cpu_ms(network, size)
    return None if each is None else START_S + 1.1 * each * images * epochs / 1000


def _cpu_ms(network: str, size: int) -> float | None:
    """To train on one image, on one core; None of a network that was not measured."""
    known = CPU_MS_64.get(network)
    return None if known is None else known * (size / 64) ** 2

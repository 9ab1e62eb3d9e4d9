"""An interrupted training's state, and a finished one's weights: safetensors and JSON, no pickle.

No random state is kept: every epoch starts from generators seeded by (seed, epoch).
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from abl.kept_files import json_kept
from abl.scratch import written_whole

State = dict[str, Tensor]

_FILE = "checkpoint.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A training after some epoch.

    Attributes:
        history: One dict an epoch, as in FitResult.history.
        network: State dict on the CPU.
        optimizer: 'index.name' -> tensor, from optimizer_state.
        scaler: State of the fp16 gradient scaler; empty without one.
        kept: (epoch, state dict) of the epochs whose weights predict.
        dynamics: float16 (n, classes) an epoch of the images that are followed; none if none are.
    """

    history: list[dict[str, float]]
    network: State
    optimizer: State
    scaler: dict[str, Any]
    kept: list[tuple[int, State]]
    dynamics: Sequence[np.ndarray] = ()


def cpu_state(network: nn.Module) -> State:
    """A copy of the state dict on the CPU, each tensor with memory of its own."""
    return {
        name: tensor.detach().to("cpu", copy=True).contiguous()
        for name, tensor in network.state_dict().items()
    }


def optimizer_state(optimizer: torch.optim.Optimizer) -> State:
    """Moments and step counts, 'index.name' -> tensor on the CPU."""
    return {
        f"{index}.{name}": value.detach().to("cpu", copy=True).contiguous()
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Tensor]) -> None:
    """Puts back what optimizer_state took; learning rates are set anew each epoch."""
    by_index: dict[int, dict[str, Tensor]] = {}
    for key, value in state.items():
        index, _, name = key.partition(".")
        by_index.setdefault(int(index), {})[name] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": by_index, "param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                # fused steps pair numbers by their place in memory, whatever the strides say
                values[name] = torch.empty_like(parameter).copy_(value)


def save_checkpoint(folder: str | Path, key: str, checkpoint: Checkpoint) -> None:
    """Replaces the folder's checkpoint, atomically. `key` says which training it belongs to.

    A folder that has gone is left so: another attempt has taken it over, as this process was
    believed dead. A stage has one checkpoint on the disk; this training goes on without.
    """
    parts = {"network": checkpoint.network, "optimizer": checkpoint.optimizer}
    parts |= {f"kept.{place}": state for place, (_, state) in enumerate(checkpoint.kept)}
    if checkpoint.dynamics:
        parts["dynamics"] = {"logits": torch.from_numpy(np.stack(checkpoint.dynamics))}
    tensors = {
        f"{part}:{name}": value for part, state in parts.items() for name, value in state.items()
    }
    about = {
        "key": key,
        "history": checkpoint.history,
        "scaler": checkpoint.scaler,
        "kept": [epoch for epoch, _ in checkpoint.kept],
    }
    training = json.dumps(about)
    said = {"training": training, "sha256": _sha256(training, tensors)}
    try:
        _write(Path(folder) / _FILE, tensors, said)
    except (OSError, safetensors.SafetensorError):
        if Path(folder).is_dir():
            raise


def load_checkpoint(folder: str | Path, key: str) -> Checkpoint | None:
    """The folder's checkpoint; None if there is none, or it is damaged or of another training."""
    try:
        with safetensors.safe_open(Path(folder) / _FILE, "pt") as file:
            said = file.metadata() or {}
            about = json_kept(said.get("training", "{}"))
            if not isinstance(about, dict) or about.get("key") != key:
                return None
            tensors = {full: file.get_tensor(full) for full in file.keys()}  # noqa: SIM118
    except (FileNotFoundError, safetensors.SafetensorError, ValueError):
        return None
    # a training must not go on from weights that a disk has changed, and nobody would notice
    if said.get("sha256") != _sha256(said["training"], tensors):
        return None
    parts: dict[str, State] = {}
    for full, value in tensors.items():
        part, _, name = full.partition(":")
        parts.setdefault(part, {})[name] = value
    return Checkpoint(
        history=about["history"],
        network=parts.get("network", {}),
        optimizer=parts.get("optimizer", {}),
        scaler=about["scaler"],
        kept=[(epoch, parts[f"kept.{place}"]) for place, epoch in enumerate(about["kept"])],
        dynamics=list(parts["dynamics"]["logits"].numpy()) if "dynamics" in parts else [],
    )


def save_weights(folder: str | Path, epochs: Sequence[int], weights: Sequence[State]) -> list[Path]:
    """Writes weights_<epoch>.safetensors for each epoch, usable as `weights: <file>`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = [Path(folder) / f"weights_{epoch:05d}.safetensors" for epoch in epochs]
    for file, state in zip(files, weights, strict=True):
        _write(file, state, {"format": "pt"})
    return files


def load_weights(files: Iterable[Path]) -> list[tuple[int, State]]:
    """(epoch, state dict on the CPU) of files of save_weights, by epoch."""
    return [
        (int(file.stem.rpartition("_")[2]), safetensors.torch.load_file(file))
        for file in sorted(files)
    ]


def _sha256(training: str, tensors: State) -> str:
    """Checksum over what a checkpoint says and holds; the format itself has none."""
    digest = hashlib.sha256(training.encode())
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _write(path: Path, tensors: State, metadata: dict[str, str]) -> None:
    with written_whole(path) as part:
        part.touch()
        rights = stat.S_IMODE(part.stat().st_mode)  # as of any new file here
        safetensors.torch.save_file(tensors, part, metadata=metadata)
        part.chmod(rights)  # the library's are 0600, and who shares a store reads it too
        with part.open("rb") as stream:  # on the disk before the name says so
            os.fsync(stream.fileno())

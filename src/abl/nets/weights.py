"""Weights: read from files and put into a network, strictly; ImageNet's as the hubs' files.

The hash of a hub's file is its identity. torchvision keeps its files below TORCH_HOME, timm
(through huggingface_hub) below HF_HOME.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from abl.errors import InputError, Problem, StageError
from abl.nets.fitting_weights import State, fitting_state
from abl.nets.packed_weights import packed_fault, unfolded_fault
from abl.nets.registry import library_of
from abl.nets.state_names import held_words, tensors_in, unwrapped_names
from abl.spec.limits import WEIGHTS_MB, too_large
from abl.spec.yaml_file import sha256_of

_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")
# DenseNet files written before PyTorch 0.4.1: 'denselayer1.norm.1.weight' is now '...norm1.weight'
_OLD_DENSENET = re.compile(r"^(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..+)$")


def weights_fingerprint(path: str | Path) -> str:
    """SHA-256 of a weights file, in hex. Raises InputError if there is no such file."""
    return sha256_of(existing_file(path))


def read_state(path: str | Path) -> State:
    """Tensors by name, on the CPU, from a safetensors file or a state dict (weights_only).

    Raises:
        InputError: not there, not readable without unpickling code, or not a state dict; larger
            than what is read, in the file or unpacked.
    """
    file = existing_file(path)
    if file.suffix == ".safetensors":
        try:
            return unwrapped_names(safetensors.torch.load_file(file))
        except (safetensors.SafetensorError, ValueError) as error:
            raise InputError(Problem(f"is not a safetensors file: {error}", str(path))) from error
    if said := packed_fault(file):
        raise InputError(Problem(said, str(path)))
    try:
        with warnings.catch_warnings():
            # of an unusual pickle PyTorch says so in two lines of its own, before it refuses it
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # broken files make the reader raise IndexError, KeyError, ...
        raise InputError(
            Problem(
                "cannot be read as a state dict of tensors alone; save it with "
                "torch.save(network.state_dict(), ...) or as safetensors",
                str(path),
            )
        ) from error
    state = tensors_in(content)
    if state is None:
        message = f"holds no state dict (tensors by name), but {held_words(content)}"
        raise InputError(Problem(message, str(path)))
    if said := unfolded_fault(state):
        raise InputError(Problem(said, str(path)))
    return {_current_name(name): value for name, value in unwrapped_names(state).items()}


def load_state(network: nn.Module, state: Mapping[str, Tensor], *, source: str) -> None:
    """Copies weights into a network, in place.

    A classifier of another shape keeps its new weights. Three-channel first convolutions are summed
    over the channels for a one-channel network (a grey image repeated gives the same features).
    Everything else must fit, once what the file puts in front of its names is taken off.

    Raises:
        InputError: every tensor that is missing, not known, of another shape or not of finite
            numbers, in one list.
    """
    network.load_state_dict(fitting_state(network, state, source=source).state, strict=True)


def hub_fingerprint(network: str, *, fetch: bool) -> str | None:
    """SHA-256 (hex) of the ImageNet weights of a network; None if the file is not here.

    Args:
        network: Name of a torchvision or timm network.
        fetch: Download the file if it is not in the hub's cache.

    Raises:
        InputError: No ImageNet weights of it exist, or they cannot be fetched.
    """
    library, plain = library_of(network)
    if library == "abl":
        raise InputError(f"weights: {plain} has no ImageNet weights (valid: none, or a file)")
    try:
        if library == "torchvision":
            from torchvision import models

            file = _by_url(models.get_model_weights(plain)["DEFAULT"].url, fetch)
        else:
            file = _of_timm(plain, fetch)
    except InputError:
        raise
    except Exception as error:  # each hub client has errors of its own
        raise InputError(not_fetched(plain, error)) from error
    return None if file is None else weights_fingerprint(file)


def check_hub_file(network: str, fingerprint: str) -> None:
    """Raises StageError if the file here is not the one that the plan had in mind."""
    found = hub_fingerprint(network, fetch=True)
    if found != fingerprint:
        raise StageError(
            f"the ImageNet weights of {network} here have SHA-256 {str(found)[:12]}, the plan's "
            f"{fingerprint[:12]}: copy the hub's cache of the planning machine to this one"
        )


def not_fetched(name: str, error: Exception) -> str:
    """What to say of weights that a hub does not give."""
    return (
        f"the ImageNet weights of {name} cannot be fetched ({first_line(error)}); fetch them "
        "once where there is a network and copy the cache (TORCH_HOME for torchvision, HF_HOME "
        "for timm), or give weights: <file>"
    )


def first_line(error: Exception) -> str:
    """An error's type and the first line of its text."""
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__


def existing_file(path: str | Path) -> Path:
    """The file that weights are read from. Raises InputError if there is none, or a huge one."""
    file = Path(path)
    if not file.is_file():
        raise InputError(
            f"weights: there is no file {path} (valid: none, imagenet, or the path of a "
            "safetensors or state-dict file)"
        )
    if said := too_large(file.stat().st_size, WEIGHTS_MB):
        raise InputError(Problem(said, str(path)))
    return file


def _current_name(name: str) -> str:
    old = _OLD_DENSENET.match(name)
    return old.group(1) + old.group(2) if old else name


def _of_timm(name: str, fetch: bool) -> Path | None:
    import timm
    from timm.models._builder import _resolve_pretrained_source

    config = timm.get_pretrained_cfg(name)
    if config is None or not config.has_weights:
        raise InputError(f"weights: timm has no pretrained weights of {name}")
    source, place = _resolve_pretrained_source(config.to_dict())
    if source != "hf-hub":
        return _by_url(str(place), fetch)
    repository, names = (place[0], (place[1],)) if isinstance(place, tuple) else (place, ())
    return _of_hugging_face(str(repository), names or _TIMM_FILES, fetch)


def _by_url(url: str, fetch: bool) -> Path | None:
    import torch

    file = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not file.exists() and fetch:
        file.parent.mkdir(parents=True, exist_ok=True)
        # torchvision's file names end in the first digits of the file's SHA-256
        digits = file.stem.rpartition("-")[2]
        torch.hub.download_url_to_file(url, str(file), hash_prefix=digits, progress=False)
    return file if file.exists() else None


def _of_hugging_face(repository: str, names: tuple[str, ...], fetch: bool) -> Path | None:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.errors import EntryNotFoundError

    name, _, revision = repository.partition("@")
    for file in names:
        found: Any = try_to_load_from_cache(name, file, revision=revision or None)
        if isinstance(found, str):
            return Path(found)
    for file in names if fetch else ():
        try:
            return Path(hf_hub_download(name, file, revision=revision or None))
        except EntryNotFoundError:
            continue
    return None

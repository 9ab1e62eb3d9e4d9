"""ImageNet weights of the hubs as files: where they lie, and their hash, which is their identity.

torchvision keeps its files below TORCH_HOME, timm (through huggingface_hub) below HF_HOME.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from abl.errors import InputError, StageError
from abl.nets.registry import library_of
from abl.nets.weights import weights_fingerprint

_TIMM_FILES = ("model.safetensors", "pytorch_model.bin")


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
        file = _of_torchvision(plain, fetch) if library == "torchvision" else _of_timm(plain, fetch)
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


def _of_torchvision(name: str, fetch: bool) -> Path | None:
    from torchvision import models

    return _by_url(models.get_model_weights(name)["DEFAULT"].url, fetch)


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

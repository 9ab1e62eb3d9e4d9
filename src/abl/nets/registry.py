"""Networks by name: ours and the user's, then torchvision's classifiers, then timm's.

Names are looked up in source text, not by importing: torch, torchvision and timm take seconds to
import, and a plan needs only to know whether a name exists.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from abl.errors import InputError, nearest

if TYPE_CHECKING:
    from torch import nn

Builder = Callable[[int, int, int], "nn.Module"]
Library = Literal["abl", "torchvision", "timm"]

_OURS = re.compile(r'^@network\(\s*"([^"]+)"(?:\s*,\s*version=(\d+))?\s*,?\s*\)', re.MULTILINE)
_THEIRS = re.compile(r"^@register_model\b[\s\S]*?^def (\w+)", re.MULTILINE)
_PREFIXES: tuple[Library, ...] = ("torchvision", "timm")


@dataclass(frozen=True)
class _Entry:
    builder: Builder
    version: int
    module: str


_ENTRIES: dict[str, _Entry] = {}


def network(name: str, *, version: int = 1) -> Callable[[Builder], Builder]:
    """Registers `builder(classes, channels, image_size) -> nn.Module` under a name.

    The module returned maps float32 (B, channels, image_size, image_size) to logits (B, classes).
    A change that alters results raises the version, which is part of every digest.
    """

    def register(builder: Builder) -> Builder:
        known = _ENTRIES.get(name)
        declared = _declared_here().get(name)
        owner = known.module if known else declared[1] if declared else builder.__module__
        if owner != builder.__module__:
            raise InputError(f"network '{name}' exists already (in {owner}): choose another name")
        _ENTRIES[name] = _Entry(builder, version, builder.__module__)
        return builder

    return register


def forget_networks(module: str) -> None:
    """Drops what a module registered, so that its file can be loaded again."""
    for name in [name for name, entry in _ENTRIES.items() if entry.module == module]:
        del _ENTRIES[name]


def own_names() -> list[str]:
    """Names declared with @network: the package's, and those of loaded user files. Sorted."""
    return sorted(set(_declared_here()) | set(_ENTRIES))


def network_names(*, timm: bool = False) -> list[str]:
    """Every name that needs no prefix: ours, torchvision's; timm's 1,300 when asked for."""
    names = own_names()
    libraries: list[Library] = ["torchvision", "timm"] if timm else ["torchvision"]
    for library in libraries:
        names += sorted(library_names(library) - set(names))
    return names


def check_network(name: str) -> str | None:
    """What is wrong with a name and what to type instead, or None. Imports no framework."""
    library, plain = split_name(name)
    if library is not None:
        if _base(plain) in library_names(library):
            return None
        return f"{library} has no network '{plain}': {nearest(plain, library_names(library))}"
    if name in own_names() or name in library_names("torchvision"):
        return None
    if _base(name) in library_names("timm"):
        return None
    near = nearest(name, network_names())
    if not near.startswith("did you mean"):
        near_timm = nearest(name, library_names("timm"))
        near = near_timm if near_timm.startswith("did you mean") else near
    return f"no network is called '{name}': {near}"


def library_of(name: str) -> tuple[Library, str]:
    """Who provides a network, and its name there. Raises InputError for an unknown name."""
    problem = check_network(name)
    if problem:
        raise InputError(problem)
    library, plain = split_name(name)
    if library is not None:
        return library, plain
    if name in own_names():
        return "abl", name
    return ("torchvision" if name in library_names("torchvision") else "timm"), name


def network_version(name: str) -> int:
    """Version of one of our networks or a user's; 1 for torchvision's and timm's."""
    if name in _ENTRIES:
        return _ENTRIES[name].version
    declared = _declared_here().get(name)
    return declared[0] if declared else 1


def build_network(
    name: str, *, classes: int, channels: int, image_size: int, weights: str = "none"
) -> nn.Module:
    """A network on the CPU, in training mode; (B, channels, size, size) -> logits (B, classes).

    Initial weights come from torch's global generator: call train.process.reset_process first.

    Args:
        name: `cnn1`, `resnet18`, `timm/resnet18.a1_in1k`, ... (see network_names).
        weights: `none`, `imagenet`, or the path of a safetensors or state-dict file.

    Raises:
        InputError: unknown name, image size the network cannot take, weights that do not fit.
        StageError: hub weights that cannot be fetched.
    """
    from abl.nets import build

    library, plain = library_of(name)
    if library == "abl":
        builder = own_builder(plain)
        return build.own_network(plain, builder, classes, channels, image_size, weights)
    if library == "torchvision":
        return build.torchvision_network(plain, classes, channels, image_size, weights)
    return build.timm_network(plain, classes, channels, image_size, weights)


def own_builder(name: str) -> Builder:
    """The function registered under a name; imports its module of this package if need be."""
    if name not in _ENTRIES:
        importlib.import_module(_declared_here()[name][1])
    return _ENTRIES[name].builder


def split_name(name: str) -> tuple[Library | None, str]:
    """'timm/resnet18' -> ('timm', 'resnet18'); without a known prefix (None, name)."""
    prefix, slash, plain = name.partition("/")
    for library in _PREFIXES:
        if slash and prefix == library:
            return library, plain
    return None, name


def library_names(library: Library) -> frozenset[str]:
    """Names of the classifiers a library declares, read from its source."""
    return _registered_in(library)


def _base(name: str) -> str:
    # timm marks a set of weights by a tag: resnet18.a1_in1k
    return name.partition(".")[0]


@cache
def _declared_here() -> dict[str, tuple[int, str]]:
    declared = {}
    for file in sorted(Path(__file__).parent.glob("*.py")):
        for name, version in _OURS.findall(file.read_text(encoding="utf-8")):
            declared[name] = (int(version or 1), f"abl.nets.{file.stem}")
    return declared


@cache
def _registered_in(library: Library) -> frozenset[str]:
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return frozenset()
    # only the files of this folder: torchvision keeps detection, segmentation, ... in subfolders
    folder = Path(spec.origin).parent / "models"
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))
    return frozenset(name for text in texts for name in _THEIRS.findall(text))

"""Networks by name: ours and the user's, then torchvision's classifiers, then timm's; and the
registries of heads and fusion modes.

Names are looked up in source text, not by importing: torch, torchvision and timm take seconds to
import, and a plan needs only to know whether a name exists.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, cast

from abl.errors import InputError, nearest
from abl.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from abl.nets.fusion import Fusion
    from abl.nets.heads import OwnHead

# (classes, channels, image_size) -> network
Builder = Callable[[int, int, int], "nn.Module"]
# (own, width, classes, levels) -> what stands behind the features
HeadBuilder = Callable[["OwnHead", int, int, Sequence[int]], "nn.Module"]
Library = Literal["abl", "torchvision", "timm"]

OF_WEIGHTS = "weights: of "  # begins a note on what of a file is not loaded as it is

P = ParamSpec("P")
T = TypeVar("T")
_remembered: list[Any] = []


def remembered(function: Callable[P, T]) -> Callable[P, T]:
    """As functools.cache; forgotten when names of components may come to mean others."""
    kept = cache(function)
    _remembered.append(kept)
    return cast("Callable[P, T]", kept)


def forget_remembered() -> None:
    """Forgets what was worked out: a user's file is about to give names another meaning."""
    for kept in _remembered:
        kept.cache_clear()


NETWORKS: Registry[Builder] = Registry(
    "network", declared="abl.nets", taken_by=lambda name: _library_with(name)
)
HEADS: Registry[HeadBuilder] = Registry("head", declared="abl.nets")
FUSIONS: Registry[Fusion] = Registry("fusion", declared="abl.nets")
_THEIRS = re.compile(r"^@register_model\b[\s\S]*?^def (\w+)", re.MULTILINE)
_PREFIXES: tuple[Library, ...] = ("torchvision", "timm")


def network(name: str, *, version: int = 1) -> Callable[[Builder], Builder]:
    """Registers `builder(classes, channels, image_size) -> nn.Module` under a name.

    The module returned maps float32 (B, channels, image_size, image_size) to logits (B, classes).
    A change that alters results raises the version, which is part of its trainings' digests.
    """
    return NETWORKS.registering(name, version=version)


def own_names() -> list[str]:
    """Names declared with @network: the package's, and those of loaded user files. Sorted."""
    return sorted(NETWORKS)


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
    return f"no network is called '{name}': {near}{NETWORKS.own_words()}"


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


def split_name(name: str) -> tuple[Library | None, str]:
    """'timm/resnet18' -> ('timm', 'resnet18'); without a known prefix (None, name)."""
    prefix, slash, plain = name.partition("/")
    for library in _PREFIXES:
        if slash and prefix == library:
            return library, plain
    return None, name


def _base(name: str) -> str:
    # timm marks a set of weights by a tag: resnet18.a1_in1k
    return name.partition(".")[0]


def _library_with(name: str) -> str:
    """The library that has a network of a name, "" if none has."""
    found = (each for each in _PREFIXES if _base(name) in library_names(each))
    return next(found, "")


@cache
def library_names(library: Library) -> frozenset[str]:
    """Names of the classifiers a library declares, read from its source."""
    spec = importlib.util.find_spec(library)
    if spec is None or spec.origin is None:
        return frozenset()
    # only the files of this folder: torchvision keeps detection, segmentation, ... in subfolders
    folder = Path(spec.origin).parent / "models"
    texts = (file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.py")))
    return frozenset(name for text in texts for name in _THEIRS.findall(text))

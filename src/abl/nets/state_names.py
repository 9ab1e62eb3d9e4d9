"""Names of tensors in a checkpoint, whatever wrote it: what is in front of them, what they lie in.

Lightning, DataParallel, compiled and averaged networks and most training programs put a name in
front (`model.`, `module.`, `_orig_mod.`, `net.`, `backbone.`) and the whole into a dictionary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

# in this order: what was trained goes before its average
HOLDERS = (
    "state_dict", "model_state_dict", "model", "net", "network", "module", "backbone", "encoder",
    "weights", "params", "state_dict_ema", "model_ema", "ema", "ema_state_dict", "ema_model",
)  # fmt: skip
_NO_HOLDERS = ("optim", "sched", "scaler", "callback", "loop", "hyper", "loss")
# put by torch.compile, FSDP and activation checkpointing before the names within any module
_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")
_SHOWN = 3
_LEAST = 0.5  # of the names wanted, for what is in front of them to be known


@dataclass(frozen=True)
class FittingNames:
    """How names of a file are those of a network.

    Attributes:
        prefix: What is in front of them in the file.
        beside: Names of the file that do not begin so, and are not used.
        said: What is told of it, "" if nothing was in front.
        fault: Why it cannot be known, "" if it can.
    """

    prefix: str = ""
    beside: tuple[str, ...] = ()
    said: str = ""
    fault: str = ""


def tensors_in(content: Any) -> Mapping[str, Tensor] | None:
    """The tensors by name that a checkpoint holds; None if it holds none, or several under names
    that say nothing.
    """
    if not isinstance(content, Mapping):
        return None
    tensors = {name: value for name, value in content.items() if isinstance(value, Tensor)}
    if len(tensors) == len(content):
        return tensors
    for holder in HOLDERS:
        if found := tensors_in(content.get(holder)):
            return found
    if any(str(name).endswith(".weight") for name in tensors):
        return tensors  # numbers, such as the epoch, lie beside them
    held = [
        tensors_in(value)
        for name, value in content.items()
        if not any(word in str(name).lower() for word in _NO_HOLDERS)
    ]
    named = [each for each in held if each and any("." in str(name) for name in each)]
    return named[0] if len(named) == 1 else None


def held_words(content: Any) -> str:
    """What a checkpoint without a state dict holds, for messages."""
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    names = [str(name) for name in content]
    more = f" and {len(names) - _SHOWN * 2} more" if len(names) > _SHOWN * 2 else ""
    return ", ".join(names[: _SHOWN * 2]) + more


def unwrapped_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors without the names that wrappers of modules put between those of modules."""
    found = {}
    for name, value in state.items():
        plain = str(name)
        for wrapper in _WRAPPERS:
            plain = plain.replace(wrapper, "")
        found[plain] = value
    # two that would be one stay as they are, and are told
    return found if len(found) == len(state) else {str(name): each for name, each in state.items()}


def fitting_names(names: Collection[str], wanted: Collection[str]) -> FittingNames:
    """What is in front of the names of a file that are wanted without it.

    Args:
        names: Those of the file.
        wanted: Those of the network.
    """
    aims = set(wanted)
    if aims <= set(names):
        return FittingNames()
    fits: Counter[str] = Counter()
    for name in names:
        parts = name.split(".")
        for at in range(len(parts)):
            if ".".join(parts[at:]) in aims:
                fits[".".join([*parts[:at], ""]) if at else ""] += 1
    most = max(fits.values(), default=0)
    if fits[""] == most or most < _LEAST * len(aims):
        return FittingNames()
    best = sorted(prefix for prefix, count in fits.items() if count == most)
    if len(best) > 1:
        both = " and with ".join(f"'{prefix}'" for prefix in best[:_SHOWN])
        fault = f"its names begin with {both}, which fit alike: save one of these networks alone"
        return FittingNames(fault=fault)
    prefix = best[0]
    beside = tuple(sorted(name for name in names if not name.startswith(prefix)))
    said = f"names without the '{prefix}' in front of them"
    if beside:
        tensors = "1 tensor" if len(beside) == 1 else f"{len(beside)} tensors"
        said += f"; {tensors} without it not used: {listed_names(beside)}"
    return FittingNames(prefix, beside, said)


def unlike_names(names: Collection[str], wanted: Collection[str]) -> str:
    """In what names differ of which none, or hardly any, is wanted; "" if nothing is in front."""
    for whose, some, others in (("the file's", names, wanted), ("the network's", wanted, names)):
        fronts = {name.partition(".")[0] for name in some}
        if len(fronts) == 1 and not any(name.partition(".")[0] in fronts for name in others):
            return f"all of {whose} names begin with '{fronts.pop()}.'"
    return ""


def listed_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more

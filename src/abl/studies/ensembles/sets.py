"""Sets of networks as a sweep file writes them: `A+V` is one concatenation, `A+V|R` two sets.

Source of the algebra: Lee et al., Sci. Rep. 2019: features of a set are concatenated; probabilities
of classifiers and of sets are averaged.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from abl.errors import nearest
from abl.studies.ensembles.options import Options

ALL, CHOSEN = "all", "chosen"
OWN = "own"  # classifier: the network's own
JOIN, APART = "+", "|"
_SIZES = re.compile(r"sizes?\s+(\d+)(?:\s*-\s*(\d+))?$")

Sets = tuple[tuple[str, ...], ...]


def expanded(word: str, members: Sequence[str]) -> tuple[str, ...]:
    """The sets that a word stands for: all, size 2, size 1-3; others stand for themselves.

    Args:
        members: Of the panel, those that such words take, in its order.
    """
    sizes = _SIZES.match(word.strip())
    if word.strip() == ALL:
        low, high = 1, len(members)
    elif sizes:
        low = int(sizes[1])
        high = int(sizes[2] or low)
    else:
        return (word,)
    found = [
        JOIN.join(each)
        for size in range(low, high + 1)
        for each in itertools.combinations(members, size)
    ]
    return tuple(found) or (word,)


def sets_of(value: str, panel: Sequence[str]) -> Sets:
    """The feature sets of a value, members in the panel's order."""
    order = {name: at for at, name in enumerate(panel)}
    return tuple(
        tuple(sorted(dict.fromkeys(_names(each)), key=lambda name: order.get(name, len(order))))
        for each in value.split(APART)
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(JOIN)]


def written(sets: Sets) -> str:
    """As a value: `A+V|R`."""
    return APART.join(JOIN.join(each) for each in sets)


def set_fault(value: str, panel: Sequence[str]) -> str:
    """What is wrong with a value of the axis networks, "" if nothing."""
    if value == CHOSEN:
        return ""
    if _SIZES.match(value) or value == ALL:
        return f"networks: '{value}' is no set of this panel, which has {len(panel)} networks"
    names = [name for each in value.split(APART) for name in _names(each)]
    unknown = [name for name in names if name not in panel]
    if unknown:
        return f"networks: no '{unknown[0]}' in options.panel: {nearest(unknown[0], panel)}"
    twice = next((n for s in value.split(APART) for n in _names(s) if _names(s).count(n) > 1), "")
    return f"networks: {value} has {twice} twice in a set" if twice else ""


def classifiers_of(value: str) -> tuple[str, ...]:
    """`svm+rf` -> svm, rf."""
    return tuple(_names(value))


def candidates_of(value: str, options: Options) -> list[Sets]:
    """The sets among which an arm chooses; its own, if it names one."""
    panel = tuple(options.panel)
    if value != CHOSEN:
        return [sets_of(value, panel)]
    members = [name for name, member in options.panel.items() if member.in_all]
    return [sets_of(each, panel) for each in expanded(options.candidates.networks, members)]


def candidate_names(value: str, word: str, options: Options) -> list[tuple[str, str]]:
    """(networks, classifier) of each candidate, in the order of the stage's parts."""
    classifiers = options.candidates.classifiers if word == CHOSEN else (word,)
    return [(written(sets), one) for sets in candidates_of(value, options) for one in classifiers]

"""Settings in words; where arms differ, every value with `by arm`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abl.plan.stage import canonical_json

MOST_VALUES = 12
MOST_DIGITS = 10
BY_ARM = "(by arm)"


def value_words(value: Any) -> str:
    """A value as the sweep file writes it: true and false are words, 30.0 is 30."""
    if isinstance(value, Mapping):
        return ", ".join(_setting(str(name), value_words(inner)) for name, inner in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(value_words, value)) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "none"
    if not isinstance(value, float):
        return str(value)
    # what a search has chosen has more digits than anybody reads
    text = repr(value).removesuffix(".0")
    return text if len(text) <= MOST_DIGITS else f"{value:.4g}"


def values_words(values: Iterable[Any]) -> str:
    """Values one after the other; of many the first two and the last."""
    shown = list(dict.fromkeys(map(value_words, values)))
    if len(shown) > MOST_VALUES:
        return f"{shown[0]}, {shown[1]}, ..., {shown[-1]} ({len(shown)} values)"
    return ", ".join(shown)


def either(texts: Iterable[str], *, among: str = " | ") -> str:
    """One text if all are the same, else each with `(by arm)`."""
    different = list(dict.fromkeys(texts))
    return among.join(different) + (f" {BY_ARM}" if len(different) > 1 else "")


def block_words(blocks: Sequence[Mapping[str, Any]]) -> str:
    """A block of the sweep file as arms have it: `name value, name value`.

    A setting in which they differ has every value; one that some lack says so.
    """
    parts = []
    for name in dict.fromkeys(name for block in blocks for name in block):
        having = [block[name] for block in blocks if name in block]
        values = list({canonical_json(value): value for value in having}.values())
        nested = [value for value in values if isinstance(value, Mapping)]
        if nested and len(nested) == len(values):
            text = f"({block_words(nested)})" if name != "name" else block_words(nested)
        elif len(values) == 1:
            text = value_words(values[0])
        else:
            shown = [f"({value_words(v)})" if v in nested else value_words(v) for v in values]
            if len(shown) > MOST_VALUES:
                shown = [*shown[:2], "...", shown[-1]]
            text = f"{' | '.join(shown)} {BY_ARM}"
        some = " (some arms)" if len(having) < len(blocks) else ""
        parts.append((text if name == "name" else f"{name} {text}") + some)
    return ", ".join(parts)


def _setting(name: str, words: str) -> str:
    return words if name == "name" else f"{name} {words}"

"""What a data block says of its masks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MaskRule:
    """What a data block says of its masks.

    Attributes:
        values: Of the nodule: grey values or indices, colours '#rrggbb', 'transparent'.
        cut: Share of the range above which a soft mask is nodule; None: half, and label maps are
            asked about.
        inverted: Whether black (0, transparent) is the nodule; None: asked where it may be.
    """

    values: tuple[int | str, ...] = ()
    cut: float | None = None
    inverted: bool | None = None


AS_THEY_ARE = MaskRule()


class MaskDoubtError(ValueError):
    """What a mask means is not clear: why, and what to type, in words behind its name."""


def typed_value(word: str) -> str:
    """A value as it is written in YAML, where # begins a comment."""
    return f"'{word}'" if word.startswith("#") else word

"""Masks of more than two values: shades between ground and nodule, or labels.

Labels fill areas. The shades of a smooth edge do not, and those of a compressed file lie beside the
two values that were compressed.
"""

from __future__ import annotations

import numpy as np

from abl.data.masks.files import BYTE, TRANSPARENT, MaskValues, rgb_of, value_word
from abl.data.masks.rule import MaskDoubtError, typed_value
from abl.data.masks.shape import are_few_levels, border_share, flat_codes, way_between

HALF = 0.5
FEW = 32  # distinct values of a label map, at most, unless all of them are flat
SHOWN = 6  # values named in a message
NEAR = 32  # of 256 levels: what lossy compression does to a value
DARK = 32  # a ground that is black but for compression


def are_flat_labels(values: MaskValues, codes: np.ndarray) -> bool:
    """Whether a file that keeps its values has few, and more than two of them fill areas."""
    if values.lossy or len(codes) > FEW:
        return False
    flat = flat_codes(values.codes)
    return len(flat) > 2 and not _is_noise(values, codes, flat)


def are_blurred_labels(values: MaskValues, codes: np.ndarray, level: np.ndarray) -> bool:
    """Whether values between the ends come in few levels, or all are flat areas."""
    if len(codes) <= FEW and not values.lossy:
        return False  # looked at by their areas
    if are_few_levels(level):
        return True
    return not values.lossy and len(flat_codes(values.codes)) >= 0.9 * len(codes)


def _is_noise(values: MaskValues, codes: np.ndarray, flat: np.ndarray) -> bool:
    """Whether values are two, blurred by compression: several near either end, none between."""
    low, high = int(codes[0]), int(codes[-1])
    if values.kind != "grey" or low < 0 or high - low <= BYTE // 2:
        return False
    near = (high - low) // 8
    ends = [(codes <= low + near).sum(), (codes >= high - near).sum()]
    return min(ends) > 1 and not any(low + near < code < high - near for code in flat)


def levels_of(values: MaskValues, codes: np.ndarray) -> tuple[np.ndarray, str]:
    """Where each pixel lies in the range of a soft mask.

    Returns:
        float (H, W) from 0, ground, to 1, nodule; and between which colours, for the word.

    Raises:
        MaskDoubtError: It is no mask.
    """
    if values.kind == "grey":
        if codes[0] < 0:
            raise MaskDoubtError("holds values below 0; save it with 8 or 16 bits")
        return values.codes / values.top, ""
    table = np.array(
        [(0, 0, 0) if code == TRANSPARENT else rgb_of(values, int(code)) for code in codes]
    )
    rgb = table[np.searchsorted(codes, values.codes)]
    if values.alpha is not None:
        seen = rgb[values.alpha > 0]
        if (np.ptp(seen, axis=0) <= NEAR).all():
            return values.alpha / BYTE, " of alpha"
        rgb = rgb * (values.alpha[..., None] / BYTE)
    if (np.ptp(rgb, axis=2) == 0).all():
        return rgb[..., 0] / BYTE, ""
    found = way_between(rgb)
    if found is None:
        raise MaskDoubtError(
            f"is a picture in {len(codes):,} colours, no mask; of a label map say which are nodule:"
            " data: {mask_value: '#ff0000'}"
        )
    level, first, second = found
    backwards = max(second) <= DARK or (max(first) > DARK and border_share(level > HALF) > HALF)
    if backwards:
        level, first, second = 1 - level, second, first
    names = ["#{:02x}{:02x}{:02x}".format(*each) for each in (first, second)]
    return level, f" from {names[0]} to {names[1]}"


def labels_told(values: MaskValues, codes: np.ndarray, counts: np.ndarray) -> str:
    """What a label map holds, and what to type."""
    order = np.argsort(-counts, kind="stable")
    words = [value_word(values, int(codes[at])) for at in order]
    shares = [100 * counts[at] / counts.sum() for at in order]
    shown = ", ".join(
        f"{word} ({_percent(share)} %)"
        for word, share in zip(words[:SHOWN], shares[:SHOWN], strict=True)
    )
    more = f" and {len(words) - SHOWN:,} more" if len(words) > SHOWN else ""
    example = typed_value(next(word for word in words[1:] if word != "0"))
    cut = min(HALF, codes[-1] / values.top / 2) if values.kind == "grey" else HALF
    return (
        f"holds {len(codes):,} values: {shown}{more}: say which are nodule, "
        f"data: {{mask_value: {example}}} or a list of them; if they are shades of one mask, "
        f"{{mask_cut: {cut:.2g}}}"
    )


def _percent(share: float) -> str:
    return f"{share:.1f}" if share >= 0.1 else f"{share:.2g}"

"""What the values of one mask file mean: which pixels are nodule. All that uses masks reads so.

- Two values: ground and nodule, whatever they are. Ground is what is transparent, else black (0),
  else what most of the border has.
- A nodule that fills most of the border, or surrounds a hole in most of the image, may be the
  ground of an inverted mask: asked about, unless `inverted` says so.
- More than two flat values are a label map, which is read by `values` alone.
- Many values are a soft mask (drawn smoothly, reduced, compressed by JPEG), cut at half of their
  range or at `cut`. In colour, the range is the way from the ground's colour to the nodule's.

Free of pandas and torch, as pixels.py is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from abl.data.masks.files import BYTE, TRANSPARENT, WORD, MaskValues, rgb_of, value_word
from abl.data.masks.levels import (
    FEW,
    HALF,
    NEAR,
    SHOWN,
    are_blurred_labels,
    are_flat_labels,
    labels_told,
    levels_of,
)
from abl.data.masks.rule import MaskDoubtError, MaskRule, typed_value
from abl.data.masks.shape import border_share, looks_inverted, pieces_of

# of what is remembered of readings; should a file be read in another way, its word changes too
READING_VERSION = 1
MOST_PIECES = 40  # of a soft mask; frames of two public ultrasound sets fall into 80 to 1,500


@dataclass(frozen=True, eq=False)
class ReadMask:
    """A mask file, read.

    Attributes:
        nodule: bool (H, W).
        word: How it was read; with the file's bytes it says what `nodule` is.
        is_soft: Whether a range was cut.
        ground: Word of the value that is the ground of two, "" where there are not two.
        by_border: Whether the border said which of the two it is.
        found: Words of the values of the file, of many the most frequent.
        was_read: Whether a grey picture cut at 127 is the same.
    """

    nodule: np.ndarray
    word: str
    is_soft: bool = False
    ground: str = ""
    by_border: bool = False
    found: tuple[str, ...] = ()
    was_read: bool = False


def read_mask(
    values: MaskValues, rule: MaskRule, grounds: frozenset[str] = frozenset()
) -> ReadMask:
    """Which pixels of a mask are nodule.

    Args:
        grounds: Words of values that are the ground of other masks of the set: a mask that has one
            of them all over is empty.

    Raises:
        MaskDoubtError: It may be inverted, is a label map, or is no mask.
    """
    values = _without_twofold_ground(values)
    codes, counts = _distinct(values.codes)
    if rule.values:
        read = _by_value(values, rule, codes)
    elif len(codes) == 1:
        read = _constant(values, rule, int(codes[0]), grounds)
    elif len(codes) == 2:
        read = _of_two(values, rule, int(codes[0]), int(codes[1]))
    else:
        read = _soft(values, rule, codes, counts)
    order = np.argsort(-counts, kind="stable")[:SHOWN]
    found = tuple(value_word(values, int(codes[at])) for at in order)
    picture = _as_picture(values, codes)
    same = picture is not None and np.array_equal(picture, read.nodule * np.uint8(BYTE))
    return ReadMask(**{**vars(read), "found": found, "was_read": same})


def _distinct(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values there are, ascending, and how many pixels have each."""
    flat = codes.ravel()
    if flat.min() >= 0 and flat.max() <= WORD:
        counts = np.bincount(flat)
        found = np.flatnonzero(counts)
        return found, counts[found]
    return np.unique(flat, return_counts=True)


def _without_twofold_ground(values: MaskValues) -> MaskValues:
    """Transparent pixels made black where there is black and something else: a fan on nothing."""
    codes = values.codes
    if values.kind == "grey" or not (codes == TRANSPARENT).any():
        return values
    seen = [int(code) for code in np.unique(codes) if code != TRANSPARENT]
    black = [code for code in seen[:FEW] if rgb_of(values, code) == (0, 0, 0)]
    if not black or len(seen) < 2 or values.alpha is not None:
        return values
    return MaskValues(
        np.where(codes == TRANSPARENT, black[0], codes), values.kind, palette=values.palette
    )


def _is_zero(values: MaskValues, code: int) -> bool:
    """Whether a value is the ground by convention: transparent, 0, black."""
    if code == TRANSPARENT:
        return True
    return code == 0 if values.kind == "grey" else rgb_of(values, code) == (0, 0, 0)


def _constant(values: MaskValues, rule: MaskRule, code: int, grounds: frozenset[str]) -> ReadMask:
    word, everywhere = value_word(values, code), np.ones(values.size, bool)
    if _is_zero(values, code):
        if rule.inverted:
            raise MaskDoubtError(
                f"is {word} all over, which mask_inverted: yes calls nodule: leave its row without "
                "a mask, or give it a mask like the others"
            )
        return ReadMask(~everywhere, "empty")
    if rule.inverted or word in grounds:
        return ReadMask(~everywhere, "empty", ground=word)
    if rule.inverted is None:
        raise MaskDoubtError(
            f"is {word} all over: is the nodule everywhere (data: {{mask_inverted: no}}) or "
            "nowhere (mask_inverted: yes, if black is the nodule)?"
        )
    return ReadMask(everywhere, f"value {word}")


def _of_two(values: MaskValues, rule: MaskRule, one: int, other: int) -> ReadMask:
    zeros = [code for code in (one, other) if _is_zero(values, code)]
    if len(zeros) == 2:  # transparent before black, and of two black entries the first
        zeros = [TRANSPARENT if TRANSPARENT in zeros else one]
    share = border_share(values.codes == one)
    by_border = not zeros
    ground = zeros[0] if zeros else (one if share > HALF else other)
    nodule = other if ground == one else one
    if by_border and share == HALF:
        raise MaskDoubtError(
            f"has the values {value_word(values, one)} and {value_word(values, other)}, each on "
            "half of the border: say which is the nodule, "
            f"data: {{mask_value: {typed_value(value_word(values, nodule))}}}"
        )
    if rule.inverted and not by_border:
        ground, nodule = nodule, ground
    found = values.codes == nodule
    word, of_ground = value_word(values, nodule), value_word(values, ground)
    _refuse_inverted(found, rule, word, of_ground)
    return ReadMask(found, f"value {word}", ground=of_ground, by_border=by_border)


def _refuse_inverted(nodule: np.ndarray, rule: MaskRule, word: str, ground: str) -> None:
    if rule.inverted is False or not looks_inverted(nodule):
        return
    area, border = 100 * nodule.mean(), 100 * border_share(nodule)
    there = f"covers {area:.0f} % of the image and {border:.0f} % of its border"
    if rule.inverted:
        raise MaskDoubtError(
            f"is not inverted as mask_inverted: yes says: {word} {there}; leave mask_inverted out, "
            "or save this one like the others"
        )
    raise MaskDoubtError(
        f"may be inverted: {word} {there}. If {ground} is the nodule: "
        f"data: {{mask_inverted: yes}}; if {word} is: {{mask_inverted: no}}; if this one differs "
        "from the others, save it like them"
    )


def _by_value(values: MaskValues, rule: MaskRule, codes: np.ndarray) -> ReadMask:
    near = NEAR if values.lossy else 0
    if near and values.kind == "grey" and len(codes) > 1 and codes[-1] <= 2 * NEAR:
        raise MaskDoubtError(
            f"has values up to {codes[-1]} in a file whose compression changes them: save it as PNG"
        )
    wanted = [
        int(code)
        for code in codes
        if any(_is_value(values, int(code), given, near) for given in rule.values)
    ]
    said = ", ".join(str(each) for each in rule.values)
    return ReadMask(np.isin(values.codes, wanted), f"value {said}{' or near' if near else ''}")


def _is_value(values: MaskValues, code: int, given: int | str, near: int) -> bool:
    if given == "transparent" or code == TRANSPARENT:
        return given == "transparent" and code == TRANSPARENT
    if isinstance(given, int):
        return values.kind != "colour" and abs(code - given) <= (near if values.top else 0)
    rgb = tuple(int(given[at : at + 2], 16) for at in (1, 3, 5))
    return max(abs(a - b) for a, b in zip(rgb_of(values, code), rgb, strict=True)) <= near


def _soft(values: MaskValues, rule: MaskRule, codes: np.ndarray, counts: np.ndarray) -> ReadMask:
    """More than two values: a range that is cut, unless they are labels."""
    if rule.cut is None and are_flat_labels(values, codes):
        raise MaskDoubtError(labels_told(values, codes, counts))
    level, way = levels_of(values, codes)
    if rule.cut is None and are_blurred_labels(values, codes, level):
        raise MaskDoubtError(labels_told(values, codes, counts))
    cut = HALF if rule.cut is None else rule.cut
    if rule.cut is None and level.max() <= cut:
        if len(codes) <= FEW:
            raise MaskDoubtError(labels_told(values, codes, counts))
        raise MaskDoubtError(
            f"has values up to {codes[-1]} of {values.top}, below half of the range: say where the "
            f"nodule begins, as a share of it: data: {{mask_cut: {codes[-1] / values.top / 2:.2g}}}"
        )
    found = level <= cut if rule.inverted else level > cut
    if rule.cut is None and (pieces := pieces_of(found)) > MOST_PIECES:
        raise MaskDoubtError(
            f"falls into {pieces:,} pieces at half of its range, as pictures do: name the file of "
            "the mask, or if this is it, data: {mask_cut: 0.5}"
        )
    ends = ("what is dark", "what is bright")
    _refuse_inverted(found, rule, *(ends if rule.inverted else ends[::-1]))
    side = "under" if rule.inverted else "over"
    return ReadMask(found, f"{side} {cut:g}{way}", is_soft=True)


def _as_picture(values: MaskValues, codes: np.ndarray) -> np.ndarray | None:
    """uint8 (H, W) of the mask as a grey picture on black; None if it is in colour."""
    if values.kind == "grey":
        if values.top == WORD:
            return ((values.codes + 128) // 257).astype(np.uint8)
        return (values.codes * (BYTE // values.top)).astype(np.uint8)
    if len(codes) > FEW or values.alpha is not None:
        return None
    table = np.array(
        [(0, 0, 0) if code == TRANSPARENT else rgb_of(values, int(code)) for code in codes]
    )
    if (np.ptp(table, axis=1) > 0).any():
        return None
    return table[:, 0].astype(np.uint8)[np.searchsorted(codes, values.codes)]

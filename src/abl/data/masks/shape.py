"""How the values of a mask lie: along its border, in flat areas, between two colours."""

from __future__ import annotations

import numpy as np

HOLE = 0.002  # share of the image: a hole that may be the nodule of an inverted mask
WHOLE_IMAGE = 0.9  # share of the image that no nodule fills, as a rule
BINS, WINDOW = 64, 8  # of a histogram over the range, and how wide a level is in it
OUTSIDE = 1 / 8  # shares of the range at its ends that are no level between
LEAST_BETWEEN, IN_LEVELS, IN_AREAS = 0.02, 0.75, 0.25  # shares of all pixels, and of those between
APART, OFF = 64, 64  # colours, of 256: two that differ, and off the way between them
MOST_OFF = 0.02  # share of the pixels


def border_share(mask: np.ndarray) -> float:
    """Share of the outermost pixels of a bool (H, W) that are set."""
    if min(mask.shape) < 3:
        return float(mask.mean())
    edges = [mask[0], mask[-1], mask[1:-1, 0], mask[1:-1, -1]]
    return float(np.concatenate(edges).mean())


def looks_inverted(nodule: np.ndarray) -> bool:
    """Whether what is set in a bool (H, W) lies as the ground of a mask does.

    It has most of the border; or it fills most of the image and has a hole that the border does not
    reach: the ground of a mask that stands on black margins.
    """
    area = float(nodule.mean())
    if border_share(nodule) > 0.5 or area > WHOLE_IMAGE:
        return True
    if area <= 0.5:
        return False
    from scipy import ndimage  # takes long to import, and few masks are so large

    labels, count = ndimage.label(~nodule)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    reached = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    sizes[reached] = 0
    sizes[0] = 0
    return bool(sizes.max(initial=0) >= HOLE * nodule.size)


def pieces_of(nodule: np.ndarray) -> int:
    """How many pieces a bool (H, W) falls into."""
    from scipy import ndimage

    return int(ndimage.label(nodule)[1])


def flat_codes(codes: np.ndarray) -> np.ndarray:
    """The values that somewhere fill a square of 3 x 3 pixels; a smooth edge has none."""
    if min(codes.shape) < 3:
        return np.unique(codes)
    return np.unique(codes[1:-1, 1:-1][_spread_around(codes) == 0])


def _spread_around(values: np.ndarray) -> np.ndarray:
    """Largest less smallest value of the 3 x 3 pixels around each inner one: (H - 2, W - 2)."""
    height, width = values.shape
    low = high = values[1:-1, 1:-1]
    for down in (0, 1, 2):
        for across in (0, 1, 2):
            other = values[down : height - 2 + down, across : width - 2 + across]
            low, high = np.minimum(low, other), np.maximum(high, other)
    return np.asarray(high - low)


def are_few_levels(level: np.ndarray) -> bool:
    """Whether areas between the ends of a range lie at one or two levels, as blurred labels do.

    The pixels of a soft edge are spread over the range, or beside its ends.

    Args:
        level: float (H, W).
    """
    low, high = float(level.min()), float(level.max())
    outside = OUTSIDE * (high - low)
    is_between = (level > low + outside) & (level < high - outside)
    between = level[is_between]
    if len(between) < LEAST_BETWEEN * level.size:
        return False
    inner = is_between[1:-1, 1:-1]
    if (inner & (_spread_around(level) <= outside)).sum() < IN_AREAS * inner.sum():
        return False
    counts, _ = np.histogram(between, bins=BINS, range=(low, high))
    held = 0
    for _ in range(2):
        sums = np.convolve(counts, np.ones(WINDOW, int), mode="valid")
        at = int(sums.argmax())
        held += int(sums[at])
        counts[at : at + WINDOW] = 0
    return held >= IN_LEVELS * len(between)


Colour = tuple[int, int, int]


def way_between(rgb: np.ndarray) -> tuple[np.ndarray, Colour, Colour] | None:
    """Where each pixel lies between the two main colours of a picture.

    Args:
        rgb: (H, W, 3), 0 to 255.

    Returns:
        float (H, W), 0 at the first colour and 1 at the second, and these; None if there are not
        two colours between which all others lie.
    """
    bins = (rgb.astype(np.int64) >> 4) @ np.array([256, 16, 1])
    counts = np.bincount(bins.ravel(), minlength=4096)
    order = np.argsort(-counts, kind="stable")
    order = order[counts[order] > 0]
    centres = np.stack([order >> 8, order >> 4 & 15, order & 15], axis=1) * 16 + 8
    distance = np.abs(centres - centres[0]).max(axis=1)
    if distance.max() < APART:
        return None
    # often, and far: of a small shape most pixels are those of its edge
    other = int((counts[order] * np.where(distance < APART, 0, distance) ** 2).argmax())
    first, second = (rgb[bins == order[at]].mean(axis=0) for at in (0, other))
    along = second - first
    level = np.clip((rgb - first) @ along / (along @ along), 0, 1)
    off = np.abs(rgb - (first + level[..., None] * along)).max(axis=2) > OFF
    if off.mean() > MOST_OFF:
        return None
    names = [tuple(round(float(part)) for part in each) for each in (first, second)]
    return level, names[0], names[1]  # type: ignore[return-value]

"""What the data set knows of the units of a table: metadata and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable

import pandas as pd
from PIL import Image

from abl.data.dataset import Dataset, unit_names
from abl.data.images import reduced
from abl.errors import InputError

THUMBNAIL_SIDE = 240


def metadata_of(dataset: Dataset, unit: str) -> pd.DataFrame:
    """The columns of the data set, indexed by unit; of a unit's images the first speaks."""
    frame = dataset.frame.set_axis(unit_names(dataset.frame, unit), axis=0)
    return frame[~frame.index.duplicated()]


def thumbnails_of(
    dataset: Dataset, unit: str, *, side: int = THUMBNAIL_SIDE
) -> Callable[[str], bytes | None]:
    """unit -> PNG of its first image, longest side bounded; None where it cannot be shown."""
    names = unit_names(dataset.frame, unit)
    first = {name: at for at, name in reversed(list(enumerate(names.tolist())))}

    def picture(name: str) -> bytes | None:
        if name not in first:
            return None
        try:
            image = reduced(dataset.source.decode(first[name]), side)
        except InputError:
            return None
        stream = io.BytesIO()
        Image.fromarray(image).save(stream, "PNG", optimize=True)
        return stream.getvalue()

    return picture

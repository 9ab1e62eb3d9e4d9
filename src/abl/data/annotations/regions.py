"""What every format of annotations is read into: images, their regions, and what was left out.

Coordinates are x to the right and y down, in pixels of the image, from the corner of its first
pixel: (0, 0) is that corner, (0.5, 0.5) the pixel's centre. Boxes are x0, y0 inclusive, x1, y1
exclusive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from abl.data.annotations.folder import AnnotatedFolder


@dataclass(frozen=True, eq=False)
class Bitmap:
    """A region that comes as pixels.

    Attributes:
        pixels: Gives bool (h, w) when it is called, so that a set of many images is never held
            whole; raises ValueError, in words, if the region cannot be read.
        left, top: Where its first pixel lies in the image.
        whole: Whether it is as large as the image, so that another size is a fault.
    """

    pixels: Callable[[], np.ndarray]
    left: int = 0
    top: int = 0
    whole: bool = False


@dataclass(frozen=True, eq=False)
class Region:
    """One annotated region: an annotation of COCO, a shape of LabelMe, an object of VOC.

    It has an outline (polygons, bitmap, or both, united), a box, or both; the outline then counts.
    One that cannot be read has neither, and says why: its class is known, its place is not.

    Attributes:
        category: Name of its class as the file has it, "" if it has none.
        attributes: What else is said of it: name -> value.
        polygons: float64 (P, 2) each, P >= 3: corners x, y. They are united.
        box: x0, y0, x1, y1.
        shares: Whether coordinates are shares of the image's width and height.
        fault: Why its place cannot be read, "" if it can.
        at: The region in its file, for messages: `annotation 17`.
    """

    category: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    polygons: tuple[np.ndarray, ...] = ()
    bitmap: Bitmap | None = None
    box: tuple[float, float, float, float] | None = None
    shares: bool = False
    fault: str = ""
    at: str = ""

    @property
    def has_outline(self) -> bool:
        return bool(self.polygons) or self.bitmap is not None


@dataclass(frozen=True, eq=False)
class AnnotatedImage:
    """One image and what is annotated in it.

    Attributes:
        image: Its file, relative to the folder, / between folders. The file is there.
        regions: () if it was annotated and nothing was found.
        size: height, width of the image that was annotated; None if the file does not say.
        label: Name of the class of the whole image, if the format has one; "" if not.
        patient: "" if not known.
        columns: Further columns of its row: name -> value.
        mask_files: Masks that are there already, relative to the folder; they are not written.
        source: The file that the annotation is from, for messages.
    """

    image: str
    regions: tuple[Region, ...] = ()
    size: tuple[int, int] | None = None
    label: str = ""
    patient: str = ""
    columns: dict[str, str] = field(default_factory=dict)
    mask_files: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Left:
    """Something of the folder that has no row.

    Attributes:
        what: Its name: a file, or a region in its file.
        why: The reason, in words that are the same for all of its kind.
    """

    what: str
    why: str


@dataclass(frozen=True, eq=False)
class Annotations:
    """What a folder holds of one kind.

    Attributes:
        images: In the order of their names.
        left: What was passed over.
        notes: What was assumed, a sentence each.
    """

    images: tuple[AnnotatedImage, ...]
    left: tuple[Left, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnnotationKind:
    """A format of annotations.

    Attributes:
        name: Its word for `--kind`.
        title: Its name in a sentence.
        recognises: Of a folder, what shows that it holds this kind (a few words with the name of a
            file), or None. It reads no more than it must and raises nothing.
        read: Of a folder that was recognised, everything in it. Raises InputError with every file
            that cannot be read.
    """

    name: str
    title: str
    recognises: Callable[[AnnotatedFolder], str | None]
    read: Callable[[AnnotatedFolder], Annotations]

"""Masks that lie beside their images, in folders of classes or not (BUSI as it is downloaded)."""

from __future__ import annotations

from abl.data.annotations.folder import AnnotatedFolder
from abl.data.annotations.mask_names import masks_beside, natural_order
from abl.data.annotations.regions import AnnotatedImage, AnnotationKind, Annotations, Left
from abl.data.tables.class_folders import folder_layout


def _recognises(folder: AnnotatedFolder) -> str | None:
    masks = masks_beside(folder.images).masks_of
    if not masks:
        return None
    return f"{sum(map(len, masks.values()))} masks such as '{next(iter(masks.values()))[0]}'"


def _read(folder: AnnotatedFolder) -> Annotations:
    pairs = masks_beside(folder.images)
    layout = folder_layout(pairs.images)
    images = tuple(
        AnnotatedImage(
            image,
            label=layout.class_of.get(image, ""),
            columns={"split": layout.split_of[image]} if image in layout.split_of else {},
            mask_files=pairs.masks_of.get(image, ()),
            source=image,
        )
        for image in sorted(pairs.images, key=natural_order)
    )
    left = tuple(Left(name, "mask without its image") for name in pairs.without_image)
    masks = sum(map(len, pairs.masks_of.values()))
    note = f"{masks} masks of {len(pairs.masks_of)} images lie there; they are named, not written."
    return Annotations(images, left, (note,))


KIND = AnnotationKind("beside", "masks beside images", _recognises, _read)

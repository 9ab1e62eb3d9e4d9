"""The same outlines written as each format has them: image -> (class, polygons)."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image
from pycocotools import mask as coco_mask

from abl.data.annotations.importing import ImportOptions, import_annotations
from abl.data.dataset import BOX

WIDTH, HEIGHT = 60, 44
Outlines = Mapping[str, tuple[str, Sequence[np.ndarray]]]


def grey(seed: int = 0, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, size).astype(np.uint8)


def write_images(folder: Path, names: Sequence[str]) -> None:
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(grey(seed)).save(folder / name)


def flat(polygon: np.ndarray) -> list[float]:
    return polygon.ravel().tolist()


def filled(polygons: Sequence[np.ndarray], height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """The reference: pycocotools itself, bool (H, W)."""
    runs = coco_mask.frPyObjects([flat(each) for each in polygons], height, width)
    return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


def coco_content(outlines: Outlines, segment: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    classes = sorted({label for label, _ in outlines.values()})
    return {
        "images": [
            {"id": at, "file_name": name, "width": WIDTH, "height": HEIGHT}
            for at, name in enumerate(outlines)
        ],
        "annotations": [
            {
                "id": 100 * at + part,
                "image_id": at,
                "category_id": classes.index(label) + 1,
                "segmentation": segment(polygon),
                "iscrowd": int(isinstance(segment(polygon), dict)),
            }
            for at, (label, polygons) in enumerate(outlines.values())
            for part, polygon in enumerate(polygons)
        ],
        "categories": [{"id": at, "name": name} for at, name in enumerate(classes, 1)],
    }


def rle(polygon: np.ndarray) -> dict[str, Any]:
    runs = coco_mask.encode(np.asfortranarray(filled([polygon]).astype(np.uint8)))
    return {"size": runs["size"], "counts": runs["counts"].decode()}


def plain_counts(mask: np.ndarray, order: str) -> list[int]:
    """Run lengths of a mask bool (H, W), background first."""
    pixels = mask.ravel(order=order)
    ends = np.flatnonzero(np.diff(pixels)) + 1
    counts = np.diff(np.concatenate([[0], ends, [pixels.size]])).tolist()
    return [0, *counts] if pixels[0] else counts


def uncompressed(polygon: np.ndarray) -> dict[str, Any]:
    return {"size": [HEIGHT, WIDTH], "counts": plain_counts(filled([polygon]), "F")}


def write_coco(folder: Path, outlines: Outlines, segment: Any = None) -> None:
    content = coco_content(outlines, segment or (lambda polygon: [flat(polygon)]))
    (folder / "annotations.json").write_text(json.dumps(content))


def write_coco_rle(folder: Path, outlines: Outlines) -> None:
    write_coco(folder, outlines, rle)


def write_coco_counts(folder: Path, outlines: Outlines) -> None:
    write_coco(folder, outlines, uncompressed)


def labelme_content(name: str, label: str, shapes: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": [{"label": label, "group_id": None, "flags": {}, **each} for each in shapes],
        "imagePath": Path(name).name,
        "imageData": None,
        "imageHeight": HEIGHT,
        "imageWidth": WIDTH,
    }


def write_labelme(folder: Path, outlines: Outlines) -> None:
    for name, (label, polygons) in outlines.items():
        shapes = [{"shape_type": "polygon", "points": each.tolist()} for each in polygons]
        content = labelme_content(name, label, shapes)
        (folder / name).with_suffix(".json").write_text(json.dumps(content))


def labelme_mask(mask: np.ndarray) -> dict[str, Any]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    file = io.BytesIO()
    Image.fromarray(cut.astype(np.uint8)).save(file, format="PNG")
    corners = [[int(columns[0]), int(rows[0])], [int(columns[-1]), int(rows[-1])]]
    text = base64.b64encode(file.getvalue()).decode()
    return {"shape_type": "mask", "points": corners, "mask": text}


def write_labelme_masks(folder: Path, outlines: Outlines) -> None:
    for name, (label, polygons) in outlines.items():
        content = labelme_content(name, label, [labelme_mask(filled([p])) for p in polygons])
        (folder / name).with_suffix(".json").write_text(json.dumps(content))


def via_images(outlines: Outlines, *, as_dict: bool) -> dict[str, Any]:
    found = {}
    for name, (label, polygons) in outlines.items():
        regions: Any = [
            {
                "shape_attributes": {
                    "name": "polygon",
                    "all_points_x": each[:, 0].tolist(),
                    "all_points_y": each[:, 1].tolist(),
                },
                "region_attributes": {"diagnosis": label},
            }
            for each in polygons
        ]
        if as_dict:
            regions = {str(at): each for at, each in enumerate(regions)}
        base = Path(name).name
        found[f"{base}-1"] = {
            "filename": base, "size": 123, "regions": regions, "file_attributes": {},
        }  # fmt: skip
    return found


def write_via_json(folder: Path, outlines: Outlines) -> None:
    (folder / "via.json").write_text(json.dumps(via_images(outlines, as_dict=True)))


def write_via_project(folder: Path, outlines: Outlines) -> None:
    content = {
        "_via_settings": {"ui": {}},
        "_via_img_metadata": via_images(outlines, as_dict=False),
        "_via_attributes": {"region": {"diagnosis": {"type": "text"}}},
    }
    (folder / "project.json").write_text(json.dumps(content))


def write_via_csv(folder: Path, outlines: Outlines) -> None:
    with (folder / "via.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["filename", "file_size", "file_attributes", "region_count", "region_id",
             "region_shape_attributes", "region_attributes"]
        )  # fmt: skip
        for image in via_images(outlines, as_dict=False).values():
            for at, region in enumerate(image["regions"]):
                table.writerow(
                    [image["filename"], 1, "{}", len(image["regions"]), at,
                     json.dumps(region["shape_attributes"]),
                     json.dumps(region["region_attributes"])]
                )  # fmt: skip


def write_yolo(folder: Path, outlines: Outlines) -> None:
    classes = sorted({label for label, _ in outlines.values()})
    names = "".join(f"  {at}: {name}\n" for at, name in enumerate(classes))
    (folder / "data.yaml").write_text(f"train: images\nnc: {len(classes)}\nnames:\n{names}")
    for name, (label, polygons) in outlines.items():
        lines = [
            " ".join(map(repr, [classes.index(label), *(each / (WIDTH, HEIGHT)).ravel().tolist()]))
            for each in polygons
        ]
        (folder / name).with_suffix(".txt").write_text("\n".join(lines) + "\n")


def write_cvat(folder: Path, outlines: Outlines, masks: bool = False) -> None:
    lines = ["<?xml version='1.0' encoding='utf-8'?>", "<annotations><version>1.1</version>"]
    for at, (name, (label, polygons)) in enumerate(outlines.items()):
        lines.append(f'<image id="{at}" name="{name}" width="{WIDTH}" height="{HEIGHT}">')
        for each in polygons:
            if masks:
                mask = filled([each])
                rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
                cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
                counts = ", ".join(map(str, plain_counts(cut, "C")))
                lines.append(
                    f'<mask label="{label}" rle="{counts}" left="{columns[0]}" top="{rows[0]}" '
                    f'width="{cut.shape[1]}" height="{cut.shape[0]}"/>'
                )
            else:
                points = ";".join(f"{x!r},{y!r}" for x, y in each.tolist())
                lines.append(f'<polygon label="{label}" points="{points}" occluded="0"/>')
        lines.append("</image>")
    (folder / "annotations.xml").write_text("\n".join([*lines, "</annotations>"]))


def write_cvat_masks(folder: Path, outlines: Outlines) -> None:
    write_cvat(folder, outlines, masks=True)


def voc_text(name: str, objects: Sequence[tuple[str, Sequence[float]]]) -> str:
    corners = ("xmin", "ymin", "xmax", "ymax")
    inner = "".join(
        f"<object><name>{label}</name><bndbox>"
        + "".join(f"<{key}>{value}</{key}>" for key, value in zip(corners, box, strict=True))
        + "</bndbox></object>"
        for label, box in objects
    )
    return (
        f"<annotation><filename>{Path(name).name}</filename><size><width>{WIDTH}</width>"
        f"<height>{HEIGHT}</height><depth>1</depth></size>{inner}</annotation>"
    )


def write_voc(folder: Path, outlines: Outlines) -> None:
    """Boxes in XML and each object's pixels in SegmentationObject, later ones on top."""
    (folder / "Annotations").mkdir()
    (folder / "SegmentationObject").mkdir()
    for name, (label, polygons) in outlines.items():
        values = np.zeros((HEIGHT, WIDTH), np.uint8)
        objects = []
        for at, each in enumerate(polygons, 1):
            mask = filled([each])
            values[mask] = at
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            box = (columns[0] + 1, rows[0] + 1, columns[-1] + 1, rows[-1] + 1)
            objects.append((label, box))
        stem = Path(name).stem
        (folder / "Annotations" / f"{stem}.xml").write_text(voc_text(name, objects))
        picture = Image.fromarray(values, mode="P")
        picture.putpalette([value for value in range(256) for _ in range(3)])
        picture.save(folder / "SegmentationObject" / f"{stem}.png")


def ddti_text(case: str, outlines: Mapping[str, str], tirads: str = "4a") -> str:
    marks = "".join(
        f"<mark><image>{number}</image><svg>{text}</svg></mark>"
        for number, text in outlines.items()
    )
    return (
        f"<case><number>{case}</number><age>40</age><sex>F</sex><tirads>{tirads}</tirads>"
        f"<reportbacaf/>{marks}</case>"
    )


def svg(polygons: Sequence[np.ndarray]) -> str:
    return json.dumps(
        [
            {
                "points": [{"x": x, "y": y} for x, y in each.tolist()],
                "annotation": {},
                "regionType": "freehand",
            }
            for each in polygons
        ]
    )


FORMATS: dict[str, tuple[str, Callable[[Path, Outlines], None]]] = {
    "coco polygons": ("coco", write_coco),
    "coco compressed": ("coco", write_coco_rle),
    "coco counts": ("coco", write_coco_counts),
    "labelme": ("labelme", write_labelme),
    "labelme masks": ("labelme", write_labelme_masks),
    "via json": ("via", write_via_json),
    "via project": ("via", write_via_project),
    "via csv": ("via", write_via_csv),
    "yolo": ("yolo", write_yolo),
    "cvat": ("cvat", write_cvat),
    "cvat masks": ("cvat", write_cvat_masks),
    "voc": ("voc", write_voc),
}


def imported(folder: Path, **options: Any) -> tuple[pd.DataFrame, str]:
    """The manifest that an import wrote, as text, by image; and what it said."""
    report = import_annotations(folder, folder / "manifest.csv", ImportOptions(**options))
    frame = pd.read_csv(folder / "manifest.csv", dtype=str, keep_default_na=False)
    return frame.set_index("image"), report


def box_of(frame: pd.DataFrame, image: str) -> list[float]:
    return [float(frame.loc[image, name]) for name in BOX]


def mask_of(folder: Path, frame: pd.DataFrame, image: str) -> np.ndarray:
    """bool (H, W)"""
    return np.asarray(Image.open(folder / str(frame.loc[image, "mask"]))) > 127

"""Masks and boxes of real ultrasound images, through run lengths of COCO and back."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from written import box_of, imported, mask_of

REAL = Path(__file__).parents[4] / "shared" / "data" / "bus_uclm"


@pytest.mark.skipif(not REAL.is_dir(), reason="the real sets are not here")
def test_masks_and_boxes_come_back_as_they_were(tmp_path: Path) -> None:
    rows = pd.read_csv(REAL / "manifest.csv").groupby("label").head(6)
    images, annotations = [], []
    for at, row in enumerate(rows.itertuples()):
        shutil.copy(REAL / str(row.image), tmp_path / f"{at}.png")
        mask = np.asarray(Image.open(REAL / str(row.mask)).convert("L")) > 127
        runs = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
        images.append({"id": at, "file_name": f"{at}.png", "patient": str(row.patient)})
        annotations.append(
            {
                "id": at,
                "image_id": at,
                "category_id": row.label,
                "segmentation": {**runs, "counts": runs["counts"].decode()},
            }
        )
    categories = [{"id": 0, "name": "benign"}, {"id": 1, "name": "malignant"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (tmp_path / "coco.json").write_text(json.dumps(content))
    frame, _ = imported(tmp_path)
    for at, row in enumerate(rows.itertuples()):
        image = f"{at}.png"
        true = np.asarray(Image.open(REAL / str(row.mask)).convert("L")) > 127
        np.testing.assert_array_equal(mask_of(tmp_path, frame, image), true)
        wanted = [row.box_x0, row.box_y0, row.box_x1, row.box_y1]
        assert box_of(frame, image) == wanted
        assert frame.loc[image, "patient"] == str(row.patient)
        assert frame.loc[image, "label"] == categories[row.label]["name"]

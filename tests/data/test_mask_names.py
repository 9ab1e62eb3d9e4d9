"""Which files are masks of which images, by name alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.data.annotations.mask_names import masks_beside

# as the files of public sets are named
SETS = {
    "BUSI": {
        "benign/benign (1).png": ("benign/benign (1)_mask.png", "benign/benign (1)_mask_1.png"),
        "normal/normal (1).png": ("normal/normal (1)_mask.png",),
    },
    "ISIC": {"ISIC_0000000.jpg": ("ISIC_0000000_segmentation.png",)},
    "PH2": {"IMD002/IMD002.bmp": ("IMD002/IMD002_lesion.bmp",)},
    "UDIAT": {"original/000001.png": ("GT/000001.png",)},
    "BUS-BRA": {
        "Images/bus_0001-l.png": ("Masks/mask_0001-l.png",),
        "Images/bus_0001-r.png": ("Masks/mask_0001-r.png",),
    },
    "TN3K": {
        "trainval-image/0001.jpg": ("trainval-mask/0001.jpg",),
        "test-image/0001.jpg": ("test-mask/0001.jpg",),
    },
    "nnU-Net": {"imagesTr/a_1.png": ("labelsTr/a_1.png",)},
    "nnU-Net with channels": {"imagesTr/a_1_0000.nii.gz": ("labelsTr/a_1.nii.gz",)},
    "NIfTI": {"benign/1.png": ("benign/1_mask.nii.gz",), "benign/2.nii.gz": ("benign/2_seg.nii",)},
    "behind the image's ending": {
        "benign/1.jpg": ("benign/1.jpg_mask.png", "benign/1.jpg_mask_1.png"),
        "benign/2.jpg": ("masks/benign/2.jpg.png",),
    },
    "masks in each class": {
        "benign/1.png": ("benign/masks/1.png",),
        "malignant/1.png": ("malignant/masks/1.png",),
    },
    "masks beside classes": {
        "images/benign/1.png": ("masks/benign/1.png",),
        "images/malignant/1.png": ("masks/malignant/1.png",),
    },
    "one folder of masks": {"benign/1.png": ("masks/1.png",), "malignant/2.png": ("masks/2.png",)},
    "other endings and cases": {"a/X1.JPG": ("a/x1_Mask.png",)},
    "many masks": {"a/1.png": tuple(f"a/1_mask_{at}.png" for at in (1, 2, 10))},
}
NO_MASKS = {
    "faces": ["with_mask/with_mask_1.jpg", "without_mask/without_mask_1.jpg"],
    "classes called so": ["mask/1.jpg", "no_mask/1.jpg"],
    "no image has the name": ["a/1_mask.png", "a/2_mask.png"],
}


@pytest.mark.parametrize("name", SETS)
def test_masks_of_public_sets_are_told(name: str) -> None:
    masks_of = SETS[name]
    files = [*masks_of, *(mask for masks in masks_of.values() for mask in masks)]
    found = masks_beside(files)
    assert found.masks_of == masks_of
    assert sorted(found.images) == sorted(masks_of)
    assert found.without_image == ()


@pytest.mark.parametrize("name", NO_MASKS)
def test_images_with_such_names_stay_images(name: str) -> None:
    assert masks_beside(NO_MASKS[name]).images == tuple(NO_MASKS[name])


def test_a_mask_without_its_image_is_no_image() -> None:
    found = masks_beside(["a/1.png", "a/1_mask.png", "b/3_mask.png"])
    assert found.images == ("a/1.png",)
    assert found.without_image == ("b/3_mask.png",)


def test_a_folder_that_is_named_as_a_class_holds_images() -> None:
    files = ["mask/1.png", "plain/1.png"]
    assert masks_beside(files, classes=["mask", "plain"]).images == tuple(files)


WORDS = st.sampled_from(["1", "2", "a", "mask", "1_mask", "1_mask_1", "mask_1", "gt", "images"])
PATHS = st.lists(st.tuples(st.lists(WORDS, max_size=2), WORDS), max_size=8).map(
    lambda given: sorted({"/".join([*folders, f"{stem}.png"]) for folders, stem in given})
)


@given(PATHS, st.randoms())
def test_every_file_is_one_thing_whatever_the_order(paths: list[str], order: object) -> None:
    found = masks_beside(paths)
    masks = [mask for each in found.masks_of.values() for mask in each]
    assert sorted([*found.images, *masks, *found.without_image]) == paths
    assert set(found.masks_of) <= set(found.images)
    mixed = list(paths)
    order.shuffle(mixed)  # type: ignore[attr-defined]
    again = masks_beside(mixed)
    assert (again.masks_of, set(again.images)) == (found.masks_of, set(found.images))

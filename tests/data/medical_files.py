"""DICOM and NIfTI files made by tests, and those that pydicom ships."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

ULTRASOUND = "1.2.840.10008.5.1.4.1.1.6.1"


def shipped(name: str) -> Path:
    """A file of pydicom's own tests, of its wheel."""
    return Path(str(get_testdata_file(name, download=False)))


def write_dicom(
    path: Path,
    pixels: np.ndarray | bytes,
    *,
    syntax: str = ExplicitVRLittleEndian,
    frames: int = 1,
    **elements: Any,
) -> Path:
    """A DICOM file.

    Args:
        pixels: (H, W) or (H, W, 3), with a first axis of frames where there are several; or the
            bytes of PixelData, the elements then say what they are.
        elements: By keyword, over what the pixels say; None leaves one out.
    """
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = syntax
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = ULTRASOUND
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = generate_uid()
    made.Modality = "US"
    if isinstance(pixels, np.ndarray):
        shape = pixels.shape[1:] if frames > 1 else pixels.shape
        bits = 8 * pixels.dtype.itemsize
        made.Rows, made.Columns = shape[:2]
        made.SamplesPerPixel = 3 if len(shape) == 3 else 1
        made.PhotometricInterpretation = "RGB" if len(shape) == 3 else "MONOCHROME2"
        if len(shape) == 3:
            made.PlanarConfiguration = 0
        made.BitsAllocated = made.BitsStored = bits
        made.PixelRepresentation = int(pixels.dtype.kind == "i")
        content = pixels.tobytes()
    else:
        content = pixels
    if frames > 1:
        made.NumberOfFrames = frames
    for keyword, value in elements.items():
        if value is None:
            made.pop(keyword, None)
        else:
            setattr(made, keyword, value)
    if "BitsStored" in made and "HighBit" not in made:
        made.HighBit = made.BitsStored - 1
    made.PixelData = content + b"\0" * (len(content) % 2)
    made["PixelData"].VR = "OB" if made.get("BitsAllocated") == 8 else "OW"
    if made.file_meta.TransferSyntaxUID.is_encapsulated:
        made["PixelData"].VR = "OB"
        made["PixelData"].is_undefined_length = True
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def jpeg(pixels: np.ndarray) -> bytes:
    """A grey or RGB picture as the bytes of a JPEG file (Pillow: YCbCr with half the colour)."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def write_jpeg_dicom(path: Path, pixels: list[np.ndarray], **elements: Any) -> Path:
    """A DICOM file of frames of 8 bits, each compressed as JPEG."""
    grey = pixels[0].ndim == 2
    stated = {
        "Rows": pixels[0].shape[0],
        "Columns": pixels[0].shape[1],
        "SamplesPerPixel": 1 if grey else 3,
        "PhotometricInterpretation": "MONOCHROME2" if grey else "YBR_FULL_422",
        "PlanarConfiguration": None if grey else 0,
        "BitsAllocated": 8,
        "BitsStored": 8,
        "PixelRepresentation": 0,
    }
    content = encapsulate([jpeg(each) for each in pixels])
    return write_dicom(
        path, content, syntax=JPEGBaseline8Bit, frames=len(pixels), **{**stated, **elements}
    )


def region(x0: int, y0: int, x1: int, y1: int, **elements: Any) -> Dataset:
    """An item of SequenceOfUltrasoundRegions: tissue, in centimetres, 0.01 cm a pixel."""
    item = Dataset()
    stated = {
        "RegionSpatialFormat": 1,
        "RegionDataType": 1,
        "RegionLocationMinX0": x0,
        "RegionLocationMinY0": y0,
        "RegionLocationMaxX1": x1,
        "RegionLocationMaxY1": y1,
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.01,
        "PhysicalDeltaY": 0.02,
    }
    for keyword, value in {**stated, **elements}.items():
        setattr(item, keyword, value)
    return item


def item(**elements: Any) -> Dataset:
    """An item of a sequence."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def changed_copy(source: Path, path: Path, **elements: Any) -> Path:
    """A DICOM file with elements changed, by keyword; None leaves one out."""
    found = pydicom.dcmread(source)
    for keyword, value in elements.items():
        if value is None:
            found.pop(keyword, None)
        else:
            setattr(found, keyword, value)
    found.save_as(path)
    return path


def write_manifest(folder: Path, rows: list[str], header: str = "image,label") -> Path:
    """A manifest in a folder: a line a row."""
    path = folder / "manifest.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path

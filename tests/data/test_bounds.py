"""Files that are larger than what is read, in the file or unfolded: a line, and no memory for it.

Limits are lowered; the files are small and harmless.
"""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import pytest
from PIL import Image

from abl.data.images import decoded_file, file_size
from abl.data.masks.files import mask_values
from abl.data.predictions.prediction_file import read_prediction_table
from abl.data.tables.parquet_tables import read_parquet_table
from abl.data.tables.rows import read_rows
from abl.errors import InputError
from commands import abl


def said(read: object, *given: object) -> str:
    with pytest.raises(InputError) as caught:
        read(*given)  # type: ignore[operator]
    (problem,) = caught.value.problems
    return str(problem)


def predictions(rows: int) -> pd.DataFrame:
    names = [f"i{at}" for at in range(rows)]
    return pd.DataFrame({"image": names, "label": [0, 1] * (rows // 2), "p_0": 0.5, "p_1": 0.5})


@pytest.mark.parametrize("kind", ["csv", "semicolons.csv", "parquet"])
@pytest.mark.parametrize("reader", [read_rows, read_prediction_table])
def test_more_rows_than_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, reader: object
) -> None:
    path, frame = tmp_path / f"t.{kind}", predictions(12)
    if kind == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep=";" if kind.startswith("semi") else ",")
    monkeypatch.setenv("ABL_MAX_TABLE_ROWS", "11")
    text = said(reader, path)
    assert "rows; at most 11 rows are read: set ABL_MAX_TABLE_ROWS higher" in text
    monkeypatch.setenv("ABL_MAX_TABLE_ROWS", "12")
    assert reader(path) is not None  # type: ignore[operator]


def test_a_table_that_unfolds_is_refused_by_every_command_that_reads_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 1,500 bytes once, and a thousand times in memory
    text = pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(np.zeros(1000, np.int32)), pyarrow.array(["x" * 1500])
    )
    columns = {"image": text, "label": pyarrow.array([0, 1] * 500)}
    table = pyarrow.table(columns | {name: pyarrow.array([0.5] * 1000) for name in ("p_0", "p_1")})
    path = tmp_path / "small.parquet"
    pq.write_table(table, path)
    assert path.stat().st_size < 20_000
    monkeypatch.setenv("ABL_MAX_TABLE_MB", "1")
    sweep = f"name: s\nstudy: backbones\ndata: {{manifest: {path.name}}}\n"
    (tmp_path / "s.yaml").write_text(sweep)
    decide = ["decide", "--rule", "original", "--original"]
    for words in (["data", "check"], decide):
        result = abl(tmp_path, *words, "small.parquet")
        assert result.exit_code == 2, result.output
        lines = result.stderr.splitlines()
        assert any("unpacks to more than 2 MB; at most 1 MB are read" in line for line in lines)
    planned = abl(tmp_path, "plan", "s.yaml")
    assert planned.exit_code == 2
    assert "at most 1 MB are read" in planned.stderr
    assert not (tmp_path / "mlruns").exists()


@pytest.mark.parametrize("encoding", ["PLAIN", "DELTA_BYTE_ARRAY", "dictionary", "list"])
def test_a_huge_text_is_told_with_its_row(tmp_path: Path, encoding: str) -> None:
    path, texts = tmp_path / "t.parquet", ["a", "b" * 131_073, "c"]
    if encoding == "dictionary":
        pq.write_table(pyarrow.table({"image": texts}), path)
    elif encoding == "list":
        table = pyarrow.table({"image": pyarrow.array([[text] for text in texts])})
        pq.write_table(table, path)
        assert len(read_parquet_table(path)) == 3  # its bytes count, and it is no text
        return
    else:
        encodings = {"image": encoding}
        table = pyarrow.table({"image": texts})
        pq.write_table(table, path, use_dictionary=False, column_encoding=encodings)
    assert said(read_rows, path).endswith(
        "t.parquet:3: image is a text of 131,073 bytes; at most 131,072 are read"
    )


def test_parquet_reads_as_it_did(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b", None] * 50_000),
            "gaps": [1, None, 3] * 50_000,
            "text": ["x", None, "é"] * 50_000,
            "bytes": [b"q", b"r", None] * 50_000,
            "day": pd.to_datetime(["2020-01-01"] * 150_000),
            "list": [[1.0], None, [2.0, 3.0]] * 50_000,
        }
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path, row_group_size=70_000)
    plain = pq.read_table(path).to_pandas(ignore_metadata=True)
    plain["kind"] = plain["kind"].astype("str").where(plain["kind"].notna(), None)
    found = read_parquet_table(path)
    for name in plain.columns.drop("list"):
        assert found[name].fillna("").tolist() == plain[name].fillna("").tolist(), name
    assert [None if each is None else each.tolist() for each in found["list"][:3]] == [
        [1.0],
        None,
        [2.0, 3.0],
    ]
    frame[:0].to_parquet(path)
    assert read_parquet_table(path).shape == (0, 6)


def test_text_files_of_many_bytes_and_compressed_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m.csv"
    path.write_text("image,label\n" + "a.png,0\n" * 200_000)
    monkeypatch.setenv("ABL_MAX_TABLE_MB", "1")
    for reader in (read_rows, read_prediction_table):
        assert "m.csv: has 2 MB; at most 1 MB are read" in said(reader, path)
    path.write_bytes(gzip.compress(b"image,label\na.png,0\n"))
    for reader in (read_rows, read_prediction_table):
        assert "m.csv: is compressed (gzip); unpack it" in said(reader, path)


def test_a_limit_that_is_no_number_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.csv").write_text("image,label\n")
    for value in ("0", "many", "-1", "1e9"):
        monkeypatch.setenv("ABL_MAX_TABLE_MB", value)
        assert f"ABL_MAX_TABLE_MB={value}: give a whole number of MB" in said(
            read_rows, tmp_path / "m.csv"
        )


def test_annotations_of_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    image = {"id": 1, "file_name": "a.png", "width": 8, "height": 8}
    content = {"images": [image], "annotations": [], "categories": []}
    text = json.dumps(content) + " " * 1_100_000
    (tmp_path / "coco.json").write_text(text)
    monkeypatch.setenv("ABL_MAX_ANNOTATIONS_MB", "1")
    result = abl(tmp_path, "data", "import", ".", "--kind", "coco", "--out", "manifest.csv")
    assert result.exit_code == 2
    assert "coco.json: has 2 MB; at most 1 MB are read: set ABL_MAX_ANNOTATIONS_MB" in result.stderr
    assert not (tmp_path / "manifest.csv").exists()


def test_image_files_of_many_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 700, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    (tmp_path / "m.csv").write_text("image,label\na.png,0\n")
    monkeypatch.setenv("ABL_MAX_IMAGE_MB", "1")
    line = "a.png: has 2 MB; at most 1 MB are read: set ABL_MAX_IMAGE_MB higher if it is meant so"
    for reader in (decoded_file, file_size, mask_values):
        assert said(reader, str(tmp_path), "a.png") == line
    result = abl(tmp_path, "data", "check", "m.csv")
    assert result.exit_code == 2
    assert "has 2 MB; at most 1 MB are read" in result.stderr


def test_volumes_that_unfold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    volume = nibabel.Nifti1Image(np.zeros((400, 300, 10), np.uint8), np.diag([1, 1, 1, 1]))
    nibabel.save(volume, tmp_path / "v.nii.gz")
    nibabel.save(volume, tmp_path / "v.nii")
    assert (tmp_path / "v.nii.gz").stat().st_size < 10_000
    monkeypatch.setenv("ABL_MAX_VOLUME_MB", "1")
    for reader in (decoded_file, file_size, mask_values):
        text = said(reader, str(tmp_path), "v.nii.gz#1")
        assert text == (
            "v.nii.gz#1: unpacks to 2 MB; at most 1 MB are read: set ABL_MAX_VOLUME_MB higher if "
            "it is meant so"
        )
    assert file_size(str(tmp_path), "v.nii#1") == (300, 400)  # nothing of it unfolds
    data = bytearray((tmp_path / "v.nii").read_bytes())
    data[108:112] = struct.pack("<f", 1e9)  # where values begin
    (tmp_path / "far.nii").write_bytes(data)
    assert "has its values far behind its header" in said(file_size, str(tmp_path), "far.nii#1")
    monkeypatch.setattr("abl.data.medical.reading.MAX_PIXELS", 400 * 300 - 1)
    for reader in (decoded_file, mask_values):
        assert "pixels; reduce it first" in said(reader, str(tmp_path), "v.nii#1")


def test_deflated_dicom_that_unfolds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pydicom = pytest.importorskip("pydicom")
    data = pydicom.Dataset()
    data.file_meta = pydicom.dataset.FileMetaDataset()
    data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = pydicom.uid.SecondaryCaptureImageStorage, "1.2.3"
    data.Rows, data.Columns, data.SamplesPerPixel = 1000, 1200, 1
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.PhotometricInterpretation = "MONOCHROME2"
    data.PixelData = bytes(1000 * 1200)
    data.save_as(tmp_path / "d.dcm", enforce_file_format=True)
    assert (tmp_path / "d.dcm").stat().st_size < 10_000
    assert file_size(str(tmp_path), "d.dcm") == (1000, 1200)
    monkeypatch.setenv("ABL_MAX_IMAGE_MB", "1")
    for reader in (decoded_file, file_size, mask_values):
        assert "d.dcm: unpacks to more than 2 MB; at most 1 MB" in said(
            reader, str(tmp_path), "d.dcm"
        )

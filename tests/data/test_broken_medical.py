"""Broken DICOM and NIfTI files: read, or refused in one line; never an error of a library."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from medical_files import item, region, shipped, write_dicom
from test_nifti import write_nifti

from abl.data.images import decoded_file, file_size
from abl.data.medical.facts import Wanted, medical_facts
from abl.data.medical.reading import stored_values
from abl.errors import InputError

SHIPPED = ("MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm", "SC_rgb_rle_2frame.dcm",
           "SC_ybr_full_422_uncompressed.dcm", "MR_small_bigendian.dcm", "SC_rgb_jpeg_dcmtk.dcm",
           "MR_small_jp2klossless.dcm")  # fmt: skip
EDIT = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["put", "add", "drop", "cut", "ones", "zeros"]),
    st.binary(min_size=1, max_size=8),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    folder = tmp_path_factory.mktemp("whole")
    made = write_dicom(
        folder / "x.dcm", np.arange(256, dtype=np.uint8).reshape(16, 16), PatientID="x",
        SequenceOfUltrasoundRegions=[region(0, 0, 9, 9)], WindowCenter=3, WindowWidth=9,
        SharedFunctionalGroupsSequence=[
            item(FrameVOILUTSequence=[item(WindowCenter=3, WindowWidth=8)])
        ],
    )  # fmt: skip
    files = [shipped(name) for name in SHIPPED] + [made] * 3
    found = [("x.dcm", file.read_bytes()) for file in files]
    nifti = write_nifti(folder / "n.nii", np.zeros((9, 8, 3), np.int16))
    return [*found, ("n.nii", nifti.read_bytes())]


def changed(content: bytes, edits: list[tuple[float, str, bytes]], within: int) -> bytes:
    found = bytearray(content)
    for share, how, given_bytes in edits:
        at = 128 + int(share * (min(within, len(found)) - 128))
        size = len(given_bytes)
        if how == "put":
            found[at : at + size] = given_bytes
        elif how == "add":
            found[at:at] = given_bytes
        elif how == "drop":
            del found[at : at + size]
        elif how == "cut":
            del found[max(at, 140) :]
        else:
            found[at : at + 4] = (b"\xff" if how == "ones" else b"\0") * 4
    return bytes(found)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_broken_file_is_read_or_refused_in_a_line(
    tmp_path: Path, whole: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    name, content = data.draw(st.sampled_from(whole))
    within = data.draw(st.sampled_from([352, 700, 2000, len(content)]))
    edits = data.draw(st.lists(EDIT, min_size=1, max_size=5))
    (tmp_path / name).write_bytes(changed(content, edits, max(within, 200)))
    folder, kind = str(tmp_path), "NIfTI" if name == "n.nii" else "DICOM"
    for read in (
        lambda: decoded_file(folder, name),
        lambda: decoded_file(folder, f"{name}#2"),
        lambda: file_size(folder, name),
        lambda: stored_values(folder, name),
        lambda: medical_facts(tmp_path, [kind], [Wanted(name)]),
    ):
        said = "read"
        try:
            read()
        except InputError as error:
            said = str(error)
        assert len(said.splitlines()) == 1

"""DICOM pixels to 8 bits: each rule against values worked out by hand or by pydicom itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from medical_files import changed_copy, item, shipped, write_dicom, write_jpeg_dicom
from pydicom.pixels.processing import apply_windowing
from pydicom.uid import (
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from abl.data.images import decoded_file, file_size
from abl.errors import InputError


def read(path: Path) -> np.ndarray:
    return decoded_file(str(path.parent), path.name)


def fault(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    (problem,) = caught.value.problems
    assert problem.file == path.name
    return problem.message


RAMP = np.arange(256, dtype=np.uint8).reshape(16, 16)
RAMP_16 = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.dcm"


def test_eight_bits_without_a_window_are_taken_as_they_are(path: Path) -> None:
    np.testing.assert_array_equal(read(write_dicom(path, RAMP)), RAMP)
    np.testing.assert_array_equal(read(write_dicom(path, RAMP_16)), RAMP)


def test_the_range_is_that_of_the_bits_stored(path: Path) -> None:
    twelve = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    shown = read(write_dicom(path, twelve, BitsStored=12))
    np.testing.assert_array_equal(shown, np.floor(twelve / 4095 * 255 + 0.5))
    # bits above those stored are none of the picture (an overlay stood there once)
    odd = twelve | 0xF000
    np.testing.assert_array_equal(read(write_dicom(path, odd, BitsStored=12)), shown)
    signed = np.array([[-2048, -1, 0, 2047]], dtype=np.int16)
    assert read(write_dicom(path, signed, BitsStored=12)).tolist() == [[0, 127, 128, 255]]


@settings(max_examples=40)
@given(
    centre=st.floats(-3000, 3000),
    width=st.floats(1, 5000),
    function=st.sampled_from([None, "LINEAR", "LINEAR_EXACT", "SIGMOID"]),
    slope=st.sampled_from([1, 0.684, 2]),
)
def test_windows_are_those_of_pydicom(
    tmp_path_factory: pytest.TempPathFactory,
    centre: float, width: float, function: str | None, slope: float,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("window")
    values = np.random.default_rng(0).integers(-2048, 2048, (16, 16)).astype(np.int16)
    centre, width = round(centre, 3), round(width, 3)
    made = write_dicom(
        folder / "x.dcm", values, BitsStored=12, WindowCenter=[centre, 7], WindowWidth=[width, 3],
        VOILUTFunction=function, RescaleSlope=slope, RescaleIntercept=-24,
    )  # fmt: skip
    header = pydicom.dcmread(made)
    rescaled = values * slope - 24
    theirs = apply_windowing(rescaled, header)
    # pydicom's ends are those of the rescaled bits
    ends = sorted(limit * slope - 24 for limit in (-2048, 2047))
    wanted = np.clip((theirs - ends[0]) / (ends[1] - ends[0]), 0, 1) * 255
    assert np.abs(read(made) - wanted).max() <= 0.5 + 1e-6


def test_a_negative_slope_makes_low_values_bright_and_windows_stay_as_they_are(path: Path) -> None:
    # pydicom's own windowing turns the window round too (findings/pydicom_negative_slope.sh)
    values = np.array([[0, 50, 100]], dtype=np.uint8)
    made = write_dicom(
        path, values, RescaleSlope=-1, RescaleIntercept=100, WindowCenter=50.5, WindowWidth=101
    )
    assert read(made).tolist() == [[255, 128, 0]]
    made = write_dicom(path, values, RescaleSlope=-1, RescaleIntercept=100)
    assert read(made).tolist() == [[255, 205, 155]]


def test_the_first_window_counts_and_empty_ones_do_not(path: Path) -> None:
    first = read(shipped("examples_overlay.dcm"))
    alone = changed_copy(shipped("examples_overlay.dcm"), path, WindowCenter=450, WindowWidth=790)
    np.testing.assert_array_equal(read(alone), first)
    other = changed_copy(shipped("examples_overlay.dcm"), path, WindowCenter=200, WindowWidth=443)
    assert (read(other) != first).any()
    for nothing in ("", None):
        made = write_dicom(path, RAMP, WindowCenter=nothing, WindowWidth=nothing)
        np.testing.assert_array_equal(read(made), RAMP)


def test_white_is_low_is_inverted_once(path: Path) -> None:
    one = read(write_dicom(path, RAMP, PhotometricInterpretation="MONOCHROME1"))
    np.testing.assert_array_equal(one, 255 - RAMP)
    shape = read(write_dicom(path, RAMP, PresentationLUTShape="INVERSE"))
    np.testing.assert_array_equal(shape, 255 - RAMP)
    both = {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}
    np.testing.assert_array_equal(read(write_dicom(path, RAMP, **both)), 255 - RAMP)
    same = read(write_dicom(path, RAMP, PresentationLUTShape="IDENTITY"))
    np.testing.assert_array_equal(same, RAMP)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_whatever_the_window(path: Path, photometric: str) -> None:
    values = np.array([[-2000, -1500, -1024, 0, 400]], dtype=np.int16)
    shown = read(
        write_dicom(
            path,
            values,
            PixelPaddingValue=-2000,
            PixelPaddingRangeLimit=-1500,
            WindowCenter=0.5,
            WindowWidth=2049,
            PhotometricInterpretation=photometric,
        )
    )
    assert shown[0, :2].tolist() == [0, 0]
    assert (shown[0, 2:] > 0).any()
    # in implicit VR nothing says that the value is signed: -2000 stands there as 63536
    implicit = write_dicom(
        path, values, syntax=ImplicitVRLittleEndian, PixelPaddingValue=-2000,
        PixelPaddingRangeLimit=-1500, WindowCenter=0.5, WindowWidth=2049,
        PhotometricInterpretation=photometric,
    )  # fmt: skip
    np.testing.assert_array_equal(read(implicit), shown)


def voi_table(first: int, entries: list[int], bits: int, vr: str = "US") -> pydicom.Dataset:
    made = pydicom.Dataset()
    signed = first < 0
    made.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries), first, bits])
    if vr == "US":
        made.add_new("LUTData", "US", entries)
    else:
        size = "<u1" if vr == "bytes" else "<u2"
        content = np.array(entries, size).tobytes()
        made.add_new("LUTData", "OW", content + b"\0" * (len(content) % 2))
    return made


@pytest.mark.parametrize("vr", ["US", "OW", "bytes"])
@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_a_table_wins_over_a_window(path: Path, vr: str, syntax: str | None) -> None:
    values = np.array([[0, 1, 2, 3, 9]], dtype=np.uint8)
    table = voi_table(1, [10, 20, 255], 8, vr)
    elements = {"VOILUTSequence": [table], "WindowCenter": 4, "WindowWidth": 2}
    made = write_dicom(path, values, **elements, **({"syntax": syntax} if syntax else {}))
    assert read(made).tolist() == [[10, 10, 20, 255, 255]]


@pytest.mark.parametrize("syntax", [None, ImplicitVRLittleEndian])
def test_the_first_value_of_a_table_is_signed_where_values_are(
    path: Path, syntax: str | None
) -> None:
    values = np.array([[-1025, -1024, -1023, -1022, 5]], dtype=np.int16)
    table = voi_table(-1024, [0, 32768, 65535], 16)
    made = write_dicom(
        path, values, VOILUTSequence=[table], **({"syntax": syntax} if syntax else {})
    )
    assert read(made).tolist() == [[0, 0, 128, 255, 255]]


def test_a_modality_table_comes_before_the_window(path: Path) -> None:
    values = np.array([[0, 1, 2, 3]], dtype=np.uint8)
    table = voi_table(0, [3000, 2000, 1000, 0], 12)
    made = write_dicom(
        path, values, ModalityLUTSequence=[table], WindowCenter=1500.5, WindowWidth=3001
    )
    assert read(made).tolist() == [[255, 170, 85, 0]]
    without = write_dicom(path, values, ModalityLUTSequence=[table])
    assert read(without).tolist() == [[187, 125, 62, 0]]  # of 4095


def test_functional_groups_are_read_by_frame(path: Path) -> None:
    values = np.stack([np.array([[0, 100, 200]]), np.array([[0, 100, 200]])]).astype(np.uint16)
    window = [item(WindowCenter=100.5, WindowWidth=201)]
    rescale = [[item(RescaleSlope=slope, RescaleIntercept=0)] for slope in (1, 0.5)]
    made = write_dicom(
        path, values, frames=2,
        SharedFunctionalGroupsSequence=[item(FrameVOILUTSequence=window)],
        PerFrameFunctionalGroupsSequence=[
            item(PixelValueTransformationSequence=each) for each in rescale
        ],
    )  # fmt: skip
    found = [decoded_file(str(made.parent), f"x.dcm#{frame}").tolist() for frame in (1, 2)]
    assert found == [[[0, 128, 255]], [[0, 64, 128]]]


def test_a_palette_is_looked_up_and_its_high_bytes_are_taken(path: Path) -> None:
    shown = read(shipped("examples_palette.dcm"))
    header = pydicom.dcmread(shipped("examples_palette.dcm"))
    tables = [
        np.frombuffer(header[f"{colour}PaletteColorLookupTableData"].value, "<u2") >> 8
        for colour in ("Red", "Green", "Blue")
    ]
    for plane, table in enumerate(tables):
        np.testing.assert_array_equal(shown[..., plane], table[header.pixel_array])
    assert shown.max() == 255
    indices = np.array([[0, 1, 2]], dtype=np.uint8)
    colours = {"Red": [255, 0, 9], "Green": [0, 255, 9], "Blue": [0, 0, 200]}
    eight = {}
    for colour, entries in colours.items():
        eight[f"{colour}PaletteColorLookupTableDescriptor"] = [3, 0, 8]
        eight[f"{colour}PaletteColorLookupTableData"] = bytes([*entries, 0])
    made = write_dicom(path, indices, PhotometricInterpretation="PALETTE COLOR", **eight)
    assert read(made).tolist() == [[[255, 0, 0], [0, 255, 0], [9, 9, 200]]]


def test_colours_are_converted_once(path: Path) -> None:
    # the same picture in pydicom's files, as RGB and as YBR in several ways
    plain = read(shipped("SC_rgb_jpeg_gdcm.dcm")).astype(int)  # lossless
    for name in ("SC_rgb_rle.dcm", "SC_rgb_gdcm_KY.dcm"):
        assert np.abs(read(shipped(name)) - plain).max() <= 1, name
    for name in ("SC_ybr_full_422_uncompressed.dcm", "SC_rgb_dcmtk_+eb+cy+np.dcm",
                 "SC_rgb_dcmtk_+eb+cr.dcm", "SC_rgb_jpeg_lossy_gdcm.dcm"):  # fmt: skip
        assert np.median(np.abs(read(shipped(name)) - plain)) <= 2, name
    blocks = np.kron(np.random.default_rng(1).integers(0, 256, (4, 4, 3)), np.ones((16, 16, 1)))
    blocks = blocks.astype(np.uint8)
    made = read(write_jpeg_dicom(path, [blocks]))
    assert np.abs(made.astype(int) - blocks).mean() < 4
    # grey that is stored as RGB is grey
    assert read(write_dicom(path, np.repeat(RAMP[..., None], 3, axis=2))).shape == (16, 16)


@pytest.mark.parametrize("photometric", ["YBR_ICT", "YBR_RCT", "YBR_PARTIAL_422", "CMYK", "ODD"])
def test_colours_that_nobody_converts_are_refused(path: Path, photometric: str) -> None:
    made = write_dicom(path, np.zeros((4, 4, 3), np.uint8), PhotometricInterpretation=photometric)
    said = fault(made)
    assert said.startswith("is in ")
    assert (photometric in said) == (photometric != "ODD")  # an unknown word may be anything


@pytest.mark.parametrize(
    "name",
    ["MR_small_bigendian.dcm", "MR_small_RLE.dcm", "MR_small_jpeg_ls_lossless.dcm",
     "MR_small_jp2klossless.dcm", "MR_small_implicit.dcm", "MR_small_expb.dcm"],
)  # fmt: skip
def test_every_lossless_way_of_storing_gives_the_same_picture(name: str) -> None:
    found = read(shipped(name))
    np.testing.assert_array_equal(found, read(shipped("MR_small.dcm")))
    assert found.dtype == np.uint8
    assert found.max() > found.min()


def test_one_bit_becomes_black_and_white() -> None:
    assert np.unique(read(shipped("liver_1frame.dcm"))).tolist() == [0, 255]


def test_frames_are_counted_from_one(path: Path) -> None:
    frames = [np.full((8, 8), 20 * at, np.uint8) for at in range(3)]
    write_jpeg_dicom(path, frames)
    for at in range(3):
        found = decoded_file(str(path.parent), f"x.dcm#{at + 1}")
        assert abs(int(found.mean()) - 20 * at) <= 1
    assert file_size(str(path.parent), "x.dcm#3") == (8, 8)
    assert fault(path).startswith("has 3 frames; name one in a manifest's column frame")
    for frame in (0, 4):
        with pytest.raises(InputError, match="frames 1 to 3, and no frame"):
            decoded_file(str(path.parent), f"x.dcm#{frame}")
    rle = shipped("SC_rgb_rle_2frame.dcm")
    first, second = (decoded_file(str(rle.parent), f"{rle.name}#{at}") for at in (1, 2))
    assert (first != second).any()


REFUSED = {
    "JPGExtended.dcm": "JPEG Extended (Process 2 and 4) with 12 bits, which is not decoded",
    "JPEG-lossy.dcm": "JPEG Extended (Process 2 and 4) with 12 bits, which is not decoded",
    "MR_truncated.dcm": "is truncated: its pixels end within frame 1 of 1",
    "SC_rgb_rle_32bit.dcm": "has 32 bits a sample",
    "rtdose_1frame.dcm": "has 32 bits a sample",
    "badVR.dcm": "NumberOfFrames (0028,0008) that is no number",
    "meta_missing_tsyntax.dcm": "has no TransferSyntaxUID (0002,0010)",
    "reportsi.dcm": "holds no image",
    "rtplan_truncated.dcm": "holds no image",
    "ExplVR_LitEndNoMeta.dcm": "'DICM' is not in bytes 129 to 132",
    "JPEG2000-embedded-sequence-delimiter.dcm": "cannot be decoded (JPEG 2000",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_read_is_refused_by_name(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert REFUSED[name] in fault(shipped(name))
    assert capfd.readouterr() == ("", "")  # decoders written in C say much of broken files


@pytest.mark.parametrize(
    ("syntax", "named"),
    [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264"),
        ("1.2.840.10008.1.2.4.107", "HEVC/H.265"),
        ("1.2.840.10008.1.2.4.201", "High-Throughput JPEG 2000"),
        ("1.2.840.10008.1.2.4.94", "JPIP"),
        ("1.2.3.4.5.6", "an unknown transfer syntax"),
    ],
)
def test_films_and_other_compressions_are_refused_by_name(
    path: Path, syntax: str, named: str
) -> None:
    made = write_jpeg_dicom(path, [RAMP])
    content = made.read_bytes()
    old = b"1.2.840.10008.1.2.4.50"
    at = content.index(old)
    new = syntax.encode() + b"\0" * (len(syntax) % 2)
    grown = len(new) - len(old)
    head = bytearray(content[:at])
    head[at - 2 : at] = len(new).to_bytes(2, "little")
    group = int.from_bytes(head[140:144], "little") + grown
    head[140:144] = group.to_bytes(4, "little")
    made.write_bytes(bytes(head) + new + content[at + len(old) :])
    said = fault(made)
    assert named in said
    assert "not decoded" in said


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ({"Rows": None}, "has no Rows (0028,0010)"),
        ({"Columns": 0}, "has no pixel"),
        ({"BitsStored": None, "HighBit": 7}, "has no BitsStored (0028,0101)"),
        ({"BitsStored": 12}, "stores 12 of 8 bits"),
        ({"HighBit": 3}, "HighBit (0028,0102) that is not BitsStored - 1"),
        ({"PhotometricInterpretation": None}, "has no PhotometricInterpretation"),
        ({"PhotometricInterpretation": "RGB"}, "has 1 samples a pixel, but RGB needs 3"),
        ({"PixelRepresentation": None}, "has no PixelRepresentation"),
        ({"NumberOfFrames": 0}, "NumberOfFrames (0028,0008) below 1"),
        ({"NumberOfFrames": 3}, "is truncated: its pixels end within frame 2 of 3"),
        ({"RescaleSlope": 0}, "RescaleSlope (0028,1053) of 0"),
        ({"WindowCenter": 3, "WindowWidth": 0}, "WindowWidth (0028,1051) below 1"),
        ({"WindowCenter": [3, 4], "WindowWidth": 9}, "has not as many WindowCenter"),
        ({"WindowCenter": 3, "WindowWidth": 9, "VOILUTFunction": "ODD"}, "is none of LINEAR"),
        ({"Rows": 20}, "is truncated"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(
    path: Path, elements: dict[str, object], said: str
) -> None:
    assert said in fault(write_dicom(path, RAMP, **elements))


def test_a_decimal_with_a_comma_is_refused_by_name(path: Path) -> None:
    made = write_dicom(path, RAMP, WindowCenter="12.5", WindowWidth="80")
    made.write_bytes(made.read_bytes().replace(b"12.5", b"12,5"))
    said = fault(made)
    assert "WindowCenter (0028,1050) that" in said
    assert "12,5" not in said


def test_a_table_that_contradicts_itself_is_refused(path: Path) -> None:
    over = voi_table(0, [1, 300], 8)
    assert "more than its 8 bits" in fault(write_dicom(path, RAMP, VOILUTSequence=[over]))
    short = voi_table(0, [1, 2, 3], 8)
    short.LUTDescriptor = [9, 0, 8]
    assert "of another length" in fault(write_dicom(path, RAMP, VOILUTSequence=[short]))


def test_frames_beyond_or_below_the_number_stated(path: Path) -> None:
    made = write_jpeg_dicom(path, [RAMP, RAMP], NumberOfFrames=3)
    assert fault(made) == "is truncated: it says 3 frames and holds 2"
    more = write_jpeg_dicom(path, [RAMP, RAMP, RAMP], NumberOfFrames=2)
    assert fault(more).startswith("has 2 frames")


def test_a_picture_named_as_dicom_is_none(path: Path) -> None:
    from PIL import Image

    Image.fromarray(RAMP).save(path, "PNG")
    assert fault(path).startswith("is named as DICOM files are but is none")


def test_rle_and_big_endian_are_written_and_read_alike(path: Path) -> None:
    values = np.random.default_rng(2).integers(0, 4096, (9, 7)).astype(np.uint16)
    plain = read(write_dicom(path, values, BitsStored=12))
    made = pydicom.dcmread(path)
    made.compress(RLELossless)
    made.save_as(path)
    np.testing.assert_array_equal(read(path), plain)
    big = values.astype(">u2")
    made = write_dicom(path, big.tobytes(), syntax=ExplicitVRBigEndian, Rows=9, Columns=7,
                       SamplesPerPixel=1, PhotometricInterpretation="MONOCHROME2",
                       BitsAllocated=16, BitsStored=12, PixelRepresentation=0)  # fmt: skip
    np.testing.assert_array_equal(read(made), plain)
    assert read(made).dtype.isnative


def test_planes_of_colour_may_be_stored_one_after_the_other(path: Path) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read(write_dicom(path, colours)), colours)
    planes = np.ascontiguousarray(colours.transpose(2, 0, 1)).tobytes()
    made = write_dicom(
        path, planes, Rows=6, Columns=4, SamplesPerPixel=3, PhotometricInterpretation="RGB",
        PlanarConfiguration=1, BitsAllocated=8, BitsStored=8, PixelRepresentation=0,
    )  # fmt: skip
    np.testing.assert_array_equal(read(made), colours)
    without = write_dicom(path, colours, PlanarConfiguration=None)
    assert fault(without) == "has no PlanarConfiguration (0028,0006)"


def test_files_that_can_only_be_read_whole_are(path: Path) -> None:
    # deflated, and implicit VR where the transfer syntax says explicit
    assert read(shipped("image_dfl.dcm")).shape == (512, 512)
    assert read(shipped("SC_rgb_jpeg.dcm")).shape == (256, 256, 3)


def test_jpeg_2000_is_decoded_without_loss(path: Path) -> None:
    source = pydicom.dcmread(shipped("examples_jpeg2k.dcm"))
    assert source.file_meta.TransferSyntaxUID == JPEG2000Lossless
    assert read(shipped("examples_jpeg2k.dcm")).shape == (480, 640, 3)

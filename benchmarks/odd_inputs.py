"""Do odd inputs end in a line? Broken or odd manifests, masks, boxes, images and DICOM headers.

    python benchmarks/odd_inputs.py                  # 10,000 inputs
    python benchmarks/odd_inputs.py --count 500 --kind masks --seed 7

Each input is a small set of its own, made from a good one by one to three changes that --seed and
its number decide, and read by `abl data check`; sets that pass are also planned, with masks and
boxes. Counted are exit codes; anything but 0 and 2, a traceback, or more than SECONDS is told with
its number, and the exit code is 1. Inputs are read in child processes: one that ends without a word
is told too.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
from measuring import machine_line, markdown_table
from PIL import Image

SECONDS = 60
ROWS = 12
WORDS = (
    "", " ", "NA", "nan", "None", "null", "-", "0", "1", "2", "-1", "1.0", "0.5", "1e400", "inf",
    "7.0", "007", "True", "False", "benign", "Benign ", "malignant", "b\u0435nign",
    "ma\u200blignant",
    "e\u0301", "\u00e9", "\u0661", "\uff11", "\u00a0", "a;b", "a,b", '"', '""', "'", "\\", "/",
    "..", "../x.png", "/etc/hosts", "images", "images/000.png", "images/001.png", "images/none.png",
    "masks/000.png", "masks/000.png;masks/001.png", "x" * 300, "\t", "\x00", "\x1b[31m", "=1+1",
    "#N/A", "1,5", "12/11/2026", "train", "Test", "fold 1",
)  # fmt: skip
NUMBERS = (
    "0",
    "1",
    "-3",
    "0.25",
    "0.99",
    "5",
    "39",
    "40",
    "41",
    "1000",
    "1e9",
    "nan",
    "inf",
    "",
    "x",
)
HEADER = "image,label,patient,centre,mask,box_x0,box_y0,box_x1,box_y1"
SWEEP = """\
name: odd
study: mask_guided
data: {manifest: manifest.csv}
image: {size: 32, channels: 1, normalize: half, crop: {to: box, margin: 0.1}}
splits: {kind: holdout, test: 0.3, validation: 0.3}
train: {network: tiny_resnet, epochs: 1, last_k: 1}
axes: {variant: [none, parallel]}
"""


def good_set(folder: Path, rng: np.random.Generator) -> list[list[str]]:
    """Images, masks and rows of a set that is read without a word."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    rows = []
    y, x = np.mgrid[:40, :40]
    for at in range(ROWS):
        name = f"{at:03d}.png"
        grey = rng.integers(20, 200, (40, 40)).astype(np.uint8)
        low = rng.integers(4, 12, 2)
        high = low + rng.integers(10, 20, 2)
        inside = (x >= low[0]) & (x < high[0]) & (y >= low[1]) & (y < high[1])
        Image.fromarray(np.where(inside, grey // 2, grey)).save(folder / "images" / name)
        Image.fromarray((inside * 255).astype(np.uint8)).save(folder / "masks" / name)
        label = ("benign", "malignant")[at % 2]
        box = [str(each) for each in (*low, *high)]
        rows.append([f"images/{name}", label, f"p{at // 2:02d}", "A", f"masks/{name}", *box])
    return rows


def written(folder: Path, rows: list[list[str]], header: str = HEADER) -> bytes:
    text = "\n".join([header, *(",".join(row) for row in rows)]) + "\n"
    content = text.encode()
    (folder / "manifest.csv").write_bytes(content)
    return content


def odd_manifest(folder: Path, rows: list[list[str]], rng: np.random.Generator) -> None:
    """Cells, rows, columns or bytes of the table."""
    names = HEADER.split(",")
    for _ in range(rng.integers(1, 4)):
        row, column = rng.integers(len(rows)), rng.integers(len(names))
        match int(rng.integers(9)):
            case 0 | 1 | 2 if rows[row]:
                rows[row][column % len(rows[row])] = str(rng.choice(WORDS))
            case 3:
                for each in filter(None, rows):
                    each[column % len(each)] = str(rng.choice(WORDS))
            case 4:
                rows.append(list(rows[row]))
            case 5:
                rows[row] = rows[row][: rng.integers(0, len(names))]
            case 6:
                rows[row] = [*rows[row], str(rng.choice(WORDS))]
            case 7:
                names[column] = str(rng.choice([*WORDS, *HEADER.split(",")]))
            case 8:
                rows.insert(int(row), [""] * int(rng.integers(0, 12)))
    content = written(folder, rows, ",".join(names))
    match int(rng.integers(10)):
        case 0:
            content = content.replace(b",", str(rng.choice([";", "\t", "|", " "])).encode())
        case 1:
            content = b"\xef\xbb\xbf" + content
        case 2:
            content = content.decode().encode(str(rng.choice(["utf-16", "utf-16-le", "utf-32"])))
        case 3:
            content = b"sep=,\r\n" + content.replace(b"\n", b"\r\n")
        case 4:
            content = damaged(content, rng)
        case 5:
            content = content.replace(b"\n", b"\r")
    (folder / "manifest.csv").write_bytes(content)


def odd_boxes(folder: Path, rows: list[list[str]], rng: np.random.Generator) -> None:
    """Numbers of boxes, one or all of them."""
    way = rng.integers(5)
    for row in rows:
        box = row[5:]
        if way == 0:
            box = [str(rng.choice(NUMBERS)) for _ in box]
        elif way == 1:
            box = [f"{float(each) / 40:.3f}" for each in box]
        elif way == 2:
            box = [
                *box[:2],
                *(str(float(b) - float(a)) for a, b in zip(box, box[2:], strict=False)),
            ]
        elif rng.random() < 0.3:
            box[rng.integers(4)] = str(rng.choice(NUMBERS))
        row[5:] = box
    written(folder, rows)


def odd_masks(folder: Path, rows: list[list[str]], rng: np.random.Generator) -> None:
    """Encodings of masks, sizes, values, files that are no masks."""
    for row in chosen(rows, rng):
        path = folder / row[4]
        save_oddly(np.asarray(Image.open(path)) > 0, path, int(rng.integers(1, 14)), rng)
    written(folder, rows)


def save_oddly(mask: np.ndarray, path: Path, way: int, rng: np.random.Generator) -> None:
    small = mask.astype(np.uint8)
    value = int(rng.choice([1, 2, 7, 127, 128, 254, 255]))
    match way:
        case 1:
            made = Image.fromarray(small * value)
        case 2:
            made = Image.fromarray((small * value).astype(np.uint16))
        case 3:
            made = Image.fromarray(~mask)
        case 4:
            colour = rng.integers(0, 256, 3)
            made = Image.fromarray((small[..., None] * colour).astype(np.uint8))
        case 5:
            made = Image.fromarray(small, "P")
            made.putpalette(rng.integers(0, 256, 768).astype(np.uint8).tobytes())
        case 6:
            clear = np.zeros((*mask.shape, 4), np.uint8)
            clear[..., 3] = small * value
            made = Image.fromarray(clear)
        case 7:
            made = Image.fromarray(rng.integers(0, 256, mask.shape).astype(np.uint8))
        case 8:
            made = Image.fromarray(rng.integers(0, 4, mask.shape).astype(np.uint8) * small)
        case 9:
            made = Image.fromarray(np.zeros_like(small))
        case 10:
            made = Image.fromarray(np.full_like(small, 255))
        case 11:
            made = Image.fromarray(small[: rng.integers(1, 40)] * value)
        case 12:
            path.write_bytes(damaged(path.read_bytes(), rng))
            return
        case _:
            made = Image.fromarray(255 - small * value)
    made.save(path)


def odd_images(folder: Path, rows: list[list[str]], rng: np.random.Generator) -> None:
    """Modes, sizes, kinds and bytes of images."""
    for row in chosen(rows, rng):
        path = folder / row[0]
        grey = np.asarray(Image.open(path))
        match int(rng.integers(8)):
            case 0:
                path.write_bytes(damaged(path.read_bytes(), rng))
            case 1:
                Image.fromarray(grey.astype(np.uint16) * int(rng.choice([1, 16, 257]))).save(path)
            case 2:
                clear = np.zeros((*grey.shape, 4), np.uint8)
                clear[..., :3] = grey[..., None]
                Image.fromarray(clear).save(path)
            case 3:
                Image.fromarray(np.full_like(grey, rng.integers(256))).save(path)
            case 4:
                Image.fromarray(grey[: rng.integers(1, 40), : rng.integers(1, 40)]).save(path)
            case 5:
                kind = str(rng.choice(["JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM"]))
                Image.fromarray(grey).save(path, format=kind)
                if rng.random() < 0.5:
                    path.write_bytes(damaged(path.read_bytes(), rng))
            case 6:
                path.write_bytes((folder / "images/000.png").read_bytes())
            case 7:
                path.write_bytes(rng.bytes(int(rng.integers(0, 2000))))
    written(folder, rows)


def odd_dicom(folder: Path, rows: list[list[str]], rng: np.random.Generator) -> None:
    """Elements of DICOM headers, taken away or given another value; bytes of the file."""
    from pydicom import Dataset
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    odd = [id(row) for row in chosen(rows, rng)]
    for row in rows:
        grey = np.asarray(Image.open(folder / row[0]))
        made = Dataset()
        made.file_meta = FileMetaDataset()
        made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        made.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
        made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        made.SOPClassUID = SecondaryCaptureImageStorage
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID
        made.Modality, made.PatientID, made.PatientName = "US", row[2], "Someone"
        made.Rows, made.Columns = grey.shape
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
        made.PixelRepresentation = 0
        made.RescaleSlope, made.RescaleIntercept = "2", "-100"
        made.WindowCenter, made.WindowWidth = "3200", "6400"
        made.PixelData = (grey.astype(np.uint16) * 16).tobytes()
        if id(row) in odd:
            for _ in range(rng.integers(1, 4)):
                element = list(made)[rng.integers(len(made))]
                if rng.random() < 0.4:
                    del made[element.tag]
                elif isinstance(element.value, int):
                    element.value = int(rng.choice([0, 1, 2, 3, 7, 8, 12, 16, 32, 41, 65535]))
                elif isinstance(element.value, bytes):
                    element.value = element.value[: 2 * int(rng.integers(0, 800))]
                elif element.VR in ("DS", "IS"):
                    element._value = str(rng.choice(["", "0", "-1", "1e9", "0.001", "128"]))
        path = folder / row[0]
        try:
            made.save_as(path, enforce_file_format=True)
        except Exception:  # an element that the file cannot do without
            path.write_bytes(b"\0" * 128 + b"DICM")
        if id(row) in odd and rng.random() < 0.3:
            path.write_bytes(damaged(path.read_bytes(), rng, first=600))
    written(folder, rows)


def chosen(rows: list[list[str]], rng: np.random.Generator) -> list[list[str]]:
    """One row to three, seldom all."""
    count = len(rows) if rng.random() < 0.1 else int(rng.integers(1, 4))
    return [rows[at] for at in rng.choice(len(rows), count, replace=False)]


def damaged(content: bytes, rng: np.random.Generator, *, first: int | None = None) -> bytes:
    """The bytes cut short, or some of them others."""
    if rng.random() < 0.4:
        return content[: rng.integers(0, len(content) + 1)]
    found = bytearray(content)
    for _ in range(rng.integers(1, 8)):
        found[rng.integers(min(len(found), first or len(found)))] = rng.integers(256)
    return bytes(found)


KINDS: dict[str, Callable[[Path, list[list[str]], np.random.Generator], None]] = {
    "manifests": odd_manifest,
    "boxes": odd_boxes,
    "masks": odd_masks,
    "images": odd_images,
    "dicom": odd_dicom,
}


def read_one(kind: str, seed: int, number: int) -> tuple[list[int], str]:
    """Exit codes of the commands, and what was wrong."""
    from typer.testing import CliRunner

    from abl.cli.every import app

    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    folder = Path(tempfile.mkdtemp(prefix="odd-"))
    codes: list[int] = []

    def stop(*_: Any) -> None:
        raise TimeoutError(f"over {SECONDS} s")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        KINDS[kind](folder, good_set(folder, rng), rng)
        (folder / "odd.yaml").write_text(SWEEP)
        commands = (["data", "check", "manifest.csv"], ["plan", "odd.yaml", "--mlruns", "runs"])
        for words in commands:
            with chdir(folder):
                done = CliRunner().invoke(app, words)
            codes.append(done.exit_code)
            output = done.output
            if done.exception is not None and not isinstance(done.exception, SystemExit):
                return codes, f"{words[0]} {words[1]}: {done.exception!r}"
            if done.exit_code not in (0, 2) or "Traceback" in output:
                return codes, f"{words[0]} {words[1]}: exit {done.exit_code}"
            if done.exit_code:
                break
        return codes, ""
    except TimeoutError as error:
        return codes, str(error)
    finally:
        signal.alarm(0)
        shutil.rmtree(folder, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--kind", choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    given = parser.parse_args()
    kinds = [given.kind] if given.kind else list(KINDS)
    each = -(-given.count // len(kinds))
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(f"## Odd inputs\n\n{machine_line()}; seed {given.seed}\n", flush=True)
    rows, faults = [], 0
    for kind in kinds:
        started, codes, ended = time.monotonic(), Counter[str](), 0
        numbers = list(range(each))
        while numbers:
            done = 0
            try:
                with ProcessPoolExecutor(given.workers) as pool:
                    jobs = [pool.submit(read_one, kind, given.seed, at) for at in numbers]
                    for number, job in zip(numbers, jobs, strict=True):
                        found, wrong = job.result()
                        done += 1
                        codes["refused" if 2 in found else "read"] += 1
                        if wrong:
                            faults += 1
                            print(f"{kind} {number}: {wrong}", flush=True)
            except BrokenProcessPool:  # of those at work one ended its process
                ended, faults = ended + 1, faults + 1
                print(f"{kind} {numbers[done]} or next to it: the process ended", flush=True)
                done += given.workers
            numbers = numbers[done:]
        wall = time.monotonic() - started
        rows.append((kind, f"{each:,}", f"{codes['read']:,}", f"{codes['refused']:,}", f"{ended}",
                     f"{wall:.0f}"))  # fmt: skip
    head = ("inputs", "number", "read", "refused in a line", "ended without a word", "s")
    print(markdown_table(head, rows))
    if faults:
        raise SystemExit(f"{faults} inputs ended otherwise")


if __name__ == "__main__":
    main()

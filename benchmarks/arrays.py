"""Many images through the array: time of one pass, and the memory of processes that share it.

    python benchmarks/arrays.py --images 30000

Writes PNG files of speckle (500 different ones, repeated) to a temporary folder, loads them as a
manifest, decodes and resizes them, then opens the result in several processes that read all of it.
Memory is read from /proc (Linux): RSS counts shared pages in every process, PSS shares them out,
USS are pages of that process alone.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing as mp
import os
import tempfile
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image

from abl.data.arrays import ImageArray, image_array, pixel_array
from abl.data.manifest import load_manifest
from abl.data.workers import available_workers
from abl.spec.data import Crop

Result = TypeVar("Result")

DIFFERENT = 500
MIB = 2**20


def write_images(folder: Path, count: int, side: int) -> None:
    """Grey PNG files of smoothed speckle and a manifest."""
    draw = np.random.default_rng(0)
    contents = []
    for _ in range(min(DIFFERENT, count)):
        grain = Image.fromarray(draw.integers(0, 256, (side // 3, side // 3), dtype=np.uint8))
        buffer = io.BytesIO()
        grain.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    rows = ["image,label,patient"]
    for number in range(count):
        name = f"{number:06d}.png"
        (folder / name).write_bytes(contents[number % len(contents)])
        rows.append(f"{name},{number % 2},p{number // 2}")
    (folder / "manifest.csv").write_text("\n".join(rows))


def memory_mib(pid: str) -> dict[str, float]:
    """RSS, PSS, USS, Anonymous of a process in MiB."""
    kib: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]:
        name, value = line.split(":")
        kib[name] = int(value.split()[0])
    uss = kib["Private_Clean"] + kib["Private_Dirty"]
    found = {"RSS": kib["Rss"], "PSS": kib["Pss"], "USS": uss, "Anonymous": kib["Anonymous"]}
    return {name: value / 1024 for name, value in found.items()}


class PeakAnonymous:
    """Highest sum of anonymous memory over this process and its children, sampled, in MiB."""

    def __enter__(self) -> PeakAnonymous:
        self.mib = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(0.1):
            total = 0.0
            for pid in ["self", *(str(child.pid) for child in mp.active_children())]:
                try:
                    total += memory_mib(pid)["Anonymous"]
                except OSError:
                    continue
            self.mib = max(self.mib, total)


def read_all(path: str, barrier: Barrier, results: mp.Queue) -> None:
    """In a process of its own: reads every pixel, then its memory while the others hold theirs."""
    pixels = np.load(path, mmap_mode="r")
    total = sum(int(pixels[start : start + 256].sum()) for start in range(0, len(pixels), 256))
    barrier.wait()
    results.put((total, memory_mib("self")))
    barrier.wait()


class Clock:
    """Times steps over so many images; `rows` are the lines of a Markdown table."""

    def __init__(self, count: int):
        self.count = count
        self.rows: list[str] = []

    def time(self, label: str, work: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        with PeakAnonymous() as peak:
            result = work()
        seconds = time.perf_counter() - start
        each = seconds / self.count * 1e3
        self.rows.append(f"| {label} | {seconds:.1f} | {each:.2f} | {peak.mib:.0f} |")
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=30_000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--readers", type=int, default=4)
    arguments = parser.parse_args()
    count, side = arguments.images, arguments.side
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "images"), Path(name, "cache")
        folder.mkdir()
        write_images(folder, count, side)
        manifest = folder / "manifest.csv"

        def decoded() -> ImageArray:
            return image_array(dataset, cache, longest_side=1024)

        def cut_and_resized() -> np.memmap:
            return pixel_array(decoded(), cache, size=side, channels=1, crop=Crop())

        clock = Clock(count)
        dataset = clock.time("manifest, files hashed", lambda: load_manifest(manifest))
        clock.time("decoded", decoded)
        clock.time("cut and resized", cut_and_resized)
        pixels = clock.time("both opened again", cut_and_resized)
        context = mp.get_context("spawn")
        barrier, results = context.Barrier(arguments.readers), context.Queue()
        readers = [
            context.Process(target=read_all, args=(str(pixels.filename), barrier, results))
            for _ in range(arguments.readers)
        ]
        for reader in readers:
            reader.start()
        memories = [results.get()[1] for _ in readers]
        for reader in readers:
            reader.join()
        megabytes = pixels.nbytes / MIB
    print(
        f"{count:,} images of {side} px, {available_workers()} CPUs of {os.cpu_count()}; "
        f"the array has {megabytes:.0f} MiB\n"
    )
    print("| step | seconds | ms an image | peak memory of all processes, less shared, MiB |")
    print("| --- | --- | --- | --- |")
    print("\n".join(clock.rows))
    print("\n| process that has read all of it | RSS, MiB | PSS, MiB | USS, MiB |")
    print("| --- | --- | --- | --- |")
    for number, memory in enumerate(memories, 1):
        print(f"| {number} | {memory['RSS']:.0f} | {memory['PSS']:.0f} | {memory['USS']:.0f} |")
    total = sum(memory["PSS"] for memory in memories)
    print(f"| together | | {total:.0f} | {sum(memory['USS'] for memory in memories):.0f} |")


if __name__ == "__main__":
    main()

"""A disk that is full or read-only, at the start or midway: told in lines, nothing half done."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faulty_nets import HOOK
from faulty_runs import Forker, attempts, contents, only_lines, store_in, tables, tidy

from commands import abl
from tiny_sweeps import write_sweep

COMMAND = ("sweep", "tiny.yaml", "--executor", "local", "--record", "off")
HEAVY = {
    "train.network": "heavy",
    "axes": {"rule": ["original"]},
    "base": None,
    "replicates.seeds": [0, 1, 2, 3],
}


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Callable[[str], None]]:
    """A small file system of its own in a folder; gives what mounts it again with options."""
    place.mkdir()

    def mount(options: str) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "abl-test", place], check=True)

    try:
        mount(f"size={size}")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting is not allowed here")
    try:
        yield lambda options: mount(f"remount,{options}")
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def unbroken(drivers: Forker, folder: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Tables and contents of the same sweep on a good disk; the folder is as it was then."""
    status, said = drivers.run(folder, *COMMAND, "--mlruns", "good")
    assert status == 0, said
    (folder / "good").rename(folder / "mlruns")
    found = tables(folder), contents(store_in(folder))
    (folder / "mlruns").rename(folder / "good")
    return found


def test_a_disk_that_fills_up_midway(tiny_folder: Path, drivers: Forker) -> None:
    write_sweep(tiny_folder, HEAVY)
    whole = unbroken(drivers, tiny_folder)
    with mounted(tiny_folder / "mlruns", "4m") as remount:
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 1
        # told once, of the stage or of the table, whichever came last: nothing more was begun
        (line,) = only_lines(said)
        assert "No space left on device" in line
        assert "make room, then the same command goes on from here" in line
        store = store_in(tiny_folder)
        before = attempts(store)
        assert 1 <= len(before) < 3  # of four
        assert contents(store).items() <= whole[1].items()
        remount("size=64m")
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 0, said
        assert (tables(tiny_folder), contents(store)) == whole
        assert before.items() <= attempts(store).items()
        assert tidy(store)


def test_a_disk_that_is_full_from_the_start(tiny_folder: Path, drivers: Forker) -> None:
    write_sweep(tiny_folder, HEAVY)
    with mounted(tiny_folder / "mlruns", "1m") as remount:
        with pytest.raises(OSError, match="No space"):
            (tiny_folder / "mlruns/filler").write_bytes(bytes(2 << 20))
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 1
        (line,) = only_lines(said)
        assert "No space left on device" in line
        assert attempts(store_in(tiny_folder)) == {}
        remount("size=64m")
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 0, said
        assert len(attempts(store_in(tiny_folder))) == 4


def test_a_store_that_is_read_only_is_refused_before_any_training(
    tiny_folder: Path, drivers: Forker
) -> None:
    write_sweep(tiny_folder, HEAVY)
    with mounted(tiny_folder / "mlruns", "64m") as remount:
        remount("ro")
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 2
        (line,) = said.splitlines()
        assert line.startswith("abl: --mlruns mlruns: not a folder that can be used: ")
        assert "it cannot be written to (Read-only file system)" in line
        remount("rw")
        assert list((tiny_folder / "mlruns").iterdir()) == []


def test_a_store_made_read_only_midway(tiny_folder: Path, drivers: Forker) -> None:
    changes = {"axes": {"rule": ["original"], "network": ["pooled3", "hooked", "pooled6"]}}
    write_sweep(tiny_folder, HEAVY | changes | {"replicates.seeds": [0]})
    whole = unbroken(drivers, tiny_folder)
    with mounted(tiny_folder / "mlruns", "64m") as remount:
        hook = tiny_folder / HOOK
        # builds are tried out before anything is trained
        hook.write_text("if [ -d mlruns/store/work ]; then mount -o remount,ro mlruns; fi")
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 1
        lines = only_lines(said)
        assert 1 <= len(lines) <= 4
        assert all("Read-only file system" in line for line in lines)
        store = store_in(tiny_folder)
        before = attempts(store)
        assert len(before) == 1
        hook.unlink()
        remount("rw")
        status, said = drivers.run(tiny_folder, *COMMAND)
        assert status == 0, said
        assert (tables(tiny_folder), contents(store)) == whole
        assert before.items() <= attempts(store).items()
        assert tidy(store)


def test_a_full_folder_for_what_ray_writes_is_told_before_anything_starts(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(tiny_folder)
    # a path that has room for the names of sockets
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        place = Path(short) / "t"
        with mounted(place, "64k"):
            monkeypatch.setenv("TMPDIR", str(place))
            monkeypatch.delenv("RAY_TMPDIR", raising=False)
            done = abl(tiny_folder, "sweep", "tiny.yaml", "--record", "off")
    assert done.exit_code == 2
    (line,) = only_lines(done.output)
    assert f"TMPDIR={place}: 0 MB are free there" in line
    assert "--executor local" in line
    assert not (tiny_folder / "mlruns/store/done").exists()

"""A machine that gives too little (addresses, threads, handles, size of a file), and a store in
whose place something else lies: a line each, nothing written over, no traceback.
"""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_runs import COMMAND, Forker, attempts, forking, only_lines, store_in

from abl.errors import file_fault, machine_fault
from abl.record.opening import FOLDERS
from commands import abl
from tiny_sweeps import write_sweep

SWEEP = ("sweep", "tiny.yaml", "--executor", "local", "--record", "off")
LIMITED = (
    COMMAND
    + """
import resource
plain = attempt
def attempt(words):
    name, value = words[0].split("=")
    resource.setrlimit(getattr(resource, name), (int(value), int(value)))
    plain(words[1:])
"""
)


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Starts `abl` with a limit of its process: RLIMIT_NAME=VALUE before its words."""
    with forking(tmp_path_factory.mktemp("limited"), LIMITED) as forker:
        yield forker


def test_too_few_addresses_are_told_before_a_library_is_loaded(tiny_folder: Path) -> None:
    write_sweep(tiny_folder)
    done = subprocess.run(
        [sys.executable, "-c", "import abl.cli; abl.cli.main()", *SWEEP],
        cwd=tiny_folder,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (10**9, 10**9)),
        timeout=240,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("abl: this process may use 1,000 MB of addresses (ulimit -v)")
    assert not (tiny_folder / "mlruns").exists()


def test_a_file_of_limited_size_ends_the_run_in_a_line(limited: Forker, tiny_folder: Path) -> None:
    write_sweep(tiny_folder)
    status, said = limited.run(tiny_folder, "RLIMIT_FSIZE=3000", *SWEEP)
    assert status == 1, said
    lines = only_lines(said)
    assert lines
    assert all("File too large" in line and "(ulimit -f)" in line for line in lines), said
    status, said = limited.run(tiny_folder, "RLIMIT_FSIZE=100000000", *SWEEP)
    assert status == 0, said


def test_too_few_handles_end_the_run_in_a_line(limited: Forker, tiny_folder: Path) -> None:
    write_sweep(tiny_folder)
    status, said = limited.run(tiny_folder, "RLIMIT_NOFILE=4", *SWEEP)
    assert status in (1, 2), said
    lines = only_lines(said)
    assert lines
    assert all("Too many open files" in line for line in lines), said
    status, said = limited.run(tiny_folder, "RLIMIT_NOFILE=1024", *SWEEP)
    assert status == 0, said


NO_THREAD = RuntimeError("can't start new thread")
FAULTS = [
    (MemoryError(), "out of memory: set a smaller train.micro_batch"),
    (MemoryError("Unable to allocate 4.00 GiB for an array"), "(it asked for 4.00 GiB)"),
    (NO_THREAD, "no more threads or processes can be started: raise the limits (ulimit -u"),
    (BlockingIOError(errno.EAGAIN, "fork"), "no more threads or processes can be started"),
    (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),  # of mmap too
    (ImportError("x.so: failed to map segment from shared object"), "out of memory"),
    (OSError(errno.ENFILE, "Too many open files in system"), "raise the limit on open files"),
    (PermissionError(errno.EACCES, "Permission denied", "x/y"), "x/y: Permission denied"),
]


@pytest.mark.parametrize(("fault", "words"), FAULTS, ids=lambda each: str(each)[:30])
def test_what_the_system_does_not_give_is_a_line(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, fault: Exception, words: str
) -> None:
    write_sweep(tiny_folder)

    def fails(*given: object, **named: object) -> None:
        raise fault

    monkeypatch.setattr("abl.app.session.run_sweep", fails)
    result = abl(tiny_folder, *SWEEP)
    assert result.exit_code == 1, result.output
    (line,) = only_lines(result.stderr)
    assert words in line


def test_faults_of_a_program_are_no_faults_of_the_machine(tmp_path: Path) -> None:
    for error in (ValueError("x"), KeyError("y"), RuntimeError("shapes"), FileNotFoundError()):
        assert machine_fault(error) == ""
        assert file_fault(error, tmp_path) == ""
    outside = PermissionError(errno.EACCES, "Permission denied", "/elsewhere/x")
    assert file_fault(outside, tmp_path) == ""
    other = Exception("Error while serializing: I/O error: Stale file handle (os error 116)")
    assert file_fault(other, tmp_path).startswith(f"Stale file handle: {tmp_path}")


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("kind", ["file", "link", "closed"])
def test_something_else_in_the_place_of_a_folder_of_the_store(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    write_sweep(tiny_folder)
    place = tiny_folder / "mlruns" / name
    place.parent.mkdir(parents=True, exist_ok=True)
    wanted = "is a file, where a folder belongs: move it away"
    if kind == "file":
        place.write_text("mine")
    elif kind == "link":
        place.symlink_to("nowhere")
        wanted = "is a link that leads nowhere, where a folder belongs: move it away"
    else:
        place.mkdir()
        access = os.access  # root may do all, so that rights cannot be taken away here
        monkeypatch.setattr(
            "abl.record.opening.os.access",
            lambda path, mode: Path(path) != place and access(path, mode),
        )
        wanted = "cannot be read: see to its owner and rights (ls -ld)"
    before = sorted(tiny_folder.rglob("*"))
    result = abl(tiny_folder, *SWEEP)
    assert result.exit_code == 2, result.output
    assert result.stderr == f"abl: --mlruns mlruns: {name} {wanted}\n"
    assert sorted(tiny_folder.rglob("*")) == before
    assert kind != "file" or place.read_text() == "mine"


@pytest.mark.parametrize("kind", ["file", "link"])
def test_something_else_in_the_place_of_mlruns(tiny_folder: Path, kind: str) -> None:
    write_sweep(tiny_folder)
    place = tiny_folder / "mlruns"
    place.write_text("mine") if kind == "file" else place.symlink_to("nowhere")
    result = abl(tiny_folder, *SWEEP)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert ("it is a file" if kind == "file" else "it is a link that leads nowhere") in line


def test_a_store_of_another_owner_is_not_written_to(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(tiny_folder)
    (tiny_folder / "mlruns/store/done").mkdir(parents=True)
    monkeypatch.setattr("abl.record.opening.os.access", lambda path, mode: not mode & os.W_OK)
    result = abl(tiny_folder, *SWEEP)
    assert result.exit_code == 2
    assert [line.partition(": see")[0] for line in result.stderr.splitlines()] == [
        f"abl: --mlruns mlruns: {name} cannot be written to" for name in ("store", "store/done")
    ]
    assert attempts(store_in(tiny_folder)) == {}

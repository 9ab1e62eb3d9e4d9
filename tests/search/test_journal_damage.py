"""A bit that has changed in the journal of a search: the same search, or a line on what to do."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from abl.errors import InputError
from abl.search.generations import Asking, Told
from abl.search.journal import Searched, search
from abl.search.kept import KeptPoint, KeptStudies
from abl.search.space import Choices, Range

SPACE = {"rate": Range(1e-5, 1e-1, log=True), "optimizer": Choices(("adam", "sgd"))}
POINTS = [{"rate": 0.01 * (each + 1), "optimizer": "sgd"} for each in range(3)]
TRIALS = 3


def searched(file: Path) -> list[Searched]:
    asking = Asking(SPACE, ["maximize"], "random", start=POINTS, size=TRIALS)
    return search(asking, lambda point: (-point["rate"],), trials=TRIALS, storage=file)


def flipped(data: bytes, bit: int) -> bytes:
    """Data with one bit changed."""
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def with_changed_bits(file: Path, every: int) -> list[bytes]:
    """A file with one bit changed: each so many, and all of the ends of its lines."""
    data = file.read_bytes()
    ends = [8 * at + bit for at, byte in enumerate(data) if byte == 10 for bit in range(8)]
    return [flipped(data, bit) for bit in sorted({*range(0, 8 * len(data), every), *ends})]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a journal of three trials."""
    folder = tmp_path_factory.mktemp("whole")
    searched(folder / "j")
    return folder


@pytest.fixture
def file(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "copy")) / "j"


def told(error: InputError, file: Path) -> str:
    (problem,) = error.problems
    assert str(problem).startswith(f"{file}:")
    assert "\n" not in str(problem)
    return str(problem)


def test_a_bit_of_the_journal_is_told_or_changes_nothing(file: Path) -> None:
    right, sums = searched(file), Path(f"{file}.sums").read_bytes()
    answers = set()
    for content in with_changed_bits(file, every=29):
        file.write_bytes(content)
        Path(f"{file}.sums").write_bytes(sums)
        try:
            assert searched(file) == right
            answers.add("")
        except InputError as error:
            answers.add(told(error, file).partition(": ")[2].partition(" (mv")[0])
            unchanged = file.read_bytes() == content
            assert unchanged
    # the end of the last line is what a kill in its middle would leave: that trial is done again
    assert answers == {"", "is damaged, it is not what was written: move it away"}


def test_a_bit_of_the_checksums_changes_nothing(file: Path) -> None:
    right, data, sums = searched(file), file.read_bytes(), Path(f"{file}.sums")
    for content in with_changed_bits(sums, every=61):
        sums.write_bytes(content)
        assert searched(file) == right
        assert file.read_bytes() == data


def test_what_is_advised_keeps_the_trials_before_the_damage(file: Path) -> None:
    right = searched(file)
    data = file.read_bytes()
    file.write_bytes(data[:-9] + b"9" + data[-8:])
    with pytest.raises(InputError) as caught:
        searched(file)
    said = told(caught.value, file)
    assert f"{file}:4: is damaged" in said
    assert "keep the 2 trials before this line" in said
    subprocess.run(said[said.index("head -n") :], shell=True, check=True)
    assert searched(file) == right


def test_a_journal_of_an_earlier_version_gets_its_checksums(file: Path) -> None:
    right = searched(file)
    Path(f"{file}.sums").unlink()
    assert searched(file) == right
    data = file.read_bytes()
    file.write_bytes(data.replace(b'"value":-0.0', b'"value":-0.1', 1))
    with pytest.raises(InputError, match="is damaged"):
        searched(file)


def test_without_checksums_damage_is_never_a_traceback(file: Path) -> None:
    right = searched(file)
    told_of = 0
    for content in with_changed_bits(file, every=101):
        file.write_bytes(content)
        Path(f"{file}.sums").unlink(missing_ok=True)
        try:
            assert [each.number for each in searched(file)] == [each.number for each in right]
        except InputError as error:
            told(error, file)
            told_of += 1
    assert told_of > 10


def test_lines_of_other_programs_are_taken(file: Path) -> None:
    right = searched(file)
    study = {"op_code": 0, "worker_id": "w", "study_name": "of another", "directions": [2]}
    with file.open("a") as journal:
        journal.write(json.dumps(study, separators=(",", ":")) + "\n")
    assert searched(file) == right
    # and are known from then on
    file.write_bytes(file.read_bytes().replace(b"of another", b"of anothes"))
    with pytest.raises(InputError, match=":5: is damaged"):
        searched(file)


def kept(folder: Path) -> list[KeptPoint]:
    """What the studies of a sweep hold, its points written if they are not there."""
    studies = KeptStudies(folder, "tiny")
    try:
        study = studies.study("0" * 64, "tiny", ["maximize"])
        found = [KeptPoint(each.point, each.state, dict(each.notes)) for each in study.points]
        for number, point in enumerate(POINTS):
            study.begin(number, point, 0, SPACE)
            study.end(number, Told(None, given_up=True))
        return found
    finally:
        studies.close()


def test_a_bit_of_the_study_of_a_sweep_is_told_or_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "searches"
    assert kept(folder) == []
    right = kept(folder)
    assert [each.state for each in right] == ["pruned"] * 3
    file, sums = folder / "tiny.journal", folder / "tiny.journal.sums"
    data, known = file.read_bytes(), sums.read_bytes()
    told_of = 0
    for content in with_changed_bits(file, every=97):
        file.write_bytes(content)
        sums.write_bytes(known)
        try:
            # the last line is written again where it was lost: as after a kill
            assert kept(folder)[:2] == right[:2]
        except InputError as error:
            told_of += "move it away" in told(error, file)
    assert told_of > 100
    file.write_bytes(data)
    sums.write_bytes(known)
    assert kept(folder) == right

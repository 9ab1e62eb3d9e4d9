"""Whatever lies where a file of the store should: a read ends, and says what is so."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from abl.errors import DamagedError
from abl.kept_files import LITTLE, json_kept, read_kept
from abl.record.done import DONE
from abl.record.housekeeping import collected
from abl.record.lease import FilePlace, Lease
from abl.record.patient import UnreadableError
from abl.record.store import Store
from abl.record.verifying import verdict_on
from tiny_sweeps import by_digest, nap

A, B = nap("a"), nap("b")
DEEP = "[" * 200_000


def a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def a_device(path: Path) -> None:
    path.unlink()
    path.symlink_to(os.devnull)


def nested(path: Path) -> None:
    path.write_text(DEEP)


def longer_than_any(path: Path) -> None:
    os.truncate(path, 64 * LITTLE)  # a hole: it takes no room on the disk


ODD = [a_pipe, a_folder, a_device, nested, longer_than_any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "weights.pt").write_bytes(b"weights")
        store.commit(attempt, A, {"seconds": 1.5}, {})
    return Store(store.root)


@pytest.mark.parametrize("name", [DONE, "weights.pt"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_file_in_a_finished_stage_is_damage(
    store: Store, odd: Callable[[Path], None], name: str
) -> None:
    odd(store.folder(A.digest) / name)
    verdict = verdict_on(Store(store.root), A.digest)
    assert verdict is not None
    assert verdict.state == "damaged"
    seen = Store(store.root)
    found, said = seen.usable(by_digest(A))
    assert found == set()
    assert "computed again" in said[A.digest]
    assert seen.discard(A.digest)
    assert seen.digests() == []


@pytest.mark.parametrize("odd", ODD)
def test_a_file_that_turned_odd_after_the_first_look_is_damage(
    store: Store, odd: Callable[[Path], None]
) -> None:
    assert store.has(A.digest)
    odd(store.folder(A.digest) / "weights.pt")
    with pytest.raises(DamagedError, match=r"weights\.pt is damaged"):
        store.file(A.digest, "weights.pt")


@pytest.mark.parametrize("odd", [a_pipe, a_folder])
def test_what_is_in_the_way_of_a_lease_is_told(tmp_path: Path, odd: Callable[[Path], None]) -> None:
    place = FilePlace(tmp_path / "lease")
    place.path.touch()
    odd(place.path)
    assert not Lease(place, "me").take()
    with pytest.raises(OSError, match="move it away"):
        place.read()


def kept_plan(store: Store) -> Path:
    with store.plans.begin("made", by_digest(A, B)):
        store.plans.grow(by_digest(nap("c")))
    (path,) = (store.root / "plans").glob("*.txt")
    return path


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-90])


def one_digit(path: Path) -> None:
    text = path.read_text()
    path.write_text(text.replace(A.digest, A.digest[:-1] + ("0" if A.digest[-1] != "0" else "1")))


def emptied(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("harm", [cut, one_digit, emptied, nested, longer_than_any])
def test_nothing_goes_by_a_plan_that_is_damaged(store: Store, harm: Callable[[Path], None]) -> None:
    path = kept_plan(store)
    assert {plan.sweep for plan in store.plans.kept()} == {"made"}
    harm(path)
    with pytest.raises(UnreadableError, match="the plan is damaged") as told:
        collected(store, 0)
    assert str(path) in str(told.value)
    assert store.digests() == [A.digest]
    with store.plans.begin("made", by_digest(A)):
        pass
    if harm in (cut, one_digit):  # it still says whose it is: the next run of its sweep replaces it
        assert [len(plan.stages) for plan in store.plans.kept()] == [1]


def test_plans_of_earlier_versions_are_read(store: Store) -> None:
    path = kept_plan(store)
    path.write_text(f'{{"sweep": "made"}}\n{A.digest}\n{B.digest} spares\n')
    (plan,) = store.plans.kept()
    assert (plan.stages, plan.sparing) == ({A.digest, B.digest}, {B.digest})


def test_a_read_is_bounded_and_what_nests_too_deep_does_not_parse(tmp_path: Path) -> None:
    path = tmp_path / "long"
    path.write_bytes(b"12345")
    assert read_kept(path, 3) == b"123"
    with pytest.raises(ValueError, match="too deep"):
        json_kept(DEEP)
    assert json_kept(b'{"a": 1}') == {"a": 1}

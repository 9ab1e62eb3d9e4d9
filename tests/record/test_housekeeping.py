"""What nobody asks for goes, what is needed least first; what is in use stays at any size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from abl import kept_files
from abl.data.cache_folders import folder_key
from abl.errors import InputError
from abl.plan.stage import Stage
from abl.processes import machine
from abl.record import housekeeping, patient
from abl.record.asked import asked_of
from abl.record.housekeeping import collected, upkeep
from abl.record.lease import Lease
from abl.record.own_names import is_cache_name
from abl.record.patient import UnreadableError
from abl.record.sizes import bytes_of
from abl.record.store import Store
from abl.scratch import left_scratch, part_of, removed_scratch, scratch_folder
from tiny_sweeps import by_digest, nap

A, B, C = nap("a"), nap("b"), nap("c")


@pytest.fixture(autouse=True)
def no_folders_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks for folders of dead processes in one that is the test's own."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("abl.scratch.tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("abl.scratch.SHORT", ())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def finish(store: Store, *stages: Stage, size: int = 1000) -> None:
    for stage in stages:
        with store.claim(stage.digest) as attempt:
            assert attempt is not None
            (attempt.folder / "file").write_bytes(b"x" * size)
            store.commit(attempt, stage, {}, store.content(stage.inputs.values()))


def aged(store: Store, stage: Stage, days: float) -> None:
    done = store.folder(stage.digest) / "DONE.json"
    then = done.stat().st_mtime - 86_400 * days
    os.utime(done, (then, then))


def asks(store: Store, sweep: str, *stages: Stage) -> None:
    """A run of a sweep, which has ended."""
    with store.plans.begin(sweep, by_digest(*stages)):
        pass


def broken_off(store: Store, stage: Stage, size: int = 5000, days: float = 0) -> None:
    """What a killed process leaves of a training: a checkpoint, and a lease."""
    folder = store.root / "work" / stage.digest / "0123456789ab.checkpoints"
    folder.mkdir(parents=True)
    (folder / "checkpoint.safetensors").write_bytes(b"x" * size)
    then = folder.stat().st_mtime - 86_400 * days
    os.utime(folder / "checkpoint.safetensors", (then, then))
    holder = {"owner": "x", "machine": machine(), "pid": 2**22 + 1, "start": "1", "beat": 0}
    lease = store.lease_path(stage.digest)
    lease.parent.mkdir(parents=True, exist_ok=True)
    lease.write_text(json.dumps(holder))


def work_of(store: Store) -> set[str]:
    return {path.name for path in (store.root / "work").iterdir()}


def names(found: housekeeping.Swept) -> list[str]:
    return [each.name for each in found.removed]


def room(store: Store, less: int) -> int:
    return collected(store).remaining - less


def test_what_no_sweep_asks_for_goes_first_and_the_oldest_of_it(store: Store) -> None:
    finish(store, A, B, C)
    aged(store, A, 30)  # asked for, though it is the oldest
    aged(store, C, 3)
    asks(store, "one", A)
    assert names(collected(store)) == []
    assert names(collected(store, room(store, 500))) == [C.digest]
    assert store.digests() == sorted([A.digest, B.digest])
    assert names(collected(store, room(store, 500))) == [B.digest]
    assert names(collected(store, room(store, 500))) == [A.digest]  # the size demands it
    assert store.digests() == []


def test_a_dry_run_says_what_a_real_one_does_and_does_nothing(store: Store) -> None:
    finish(store, A, B)
    asks(store, "one", A)
    broken_off(store, C)
    files = sorted(path for path in store.root.rglob("*"))
    said = collected(store, 100, dry_run=True)
    assert sorted(path for path in store.root.rglob("*")) == files
    done = collected(store, 100)
    assert names(said) == names(done) == [C.digest, B.digest, A.digest]
    assert store.digests() == []


def test_what_a_kept_stage_was_read_from_is_asked_for_by_tables_of_earlier_versions(
    store: Store,
) -> None:
    reader = nap("reader", A)
    finish(store, A, reader, B)
    table = store.root / "sweeps/one/0123"
    table.mkdir(parents=True)
    (table / "outcome.json").write_text(json.dumps({"arms": [{"stages": [reader.digest]}]}))
    (table.parent / "latest.json").write_text(json.dumps({"key": "0123"}))
    assert names(collected(store, room(store, 500))) == [B.digest]
    assert store.digests() == sorted([A.digest, reader.digest])
    assert (table / "outcome.json").exists()


@pytest.mark.parametrize("latest", ['{"key": "old"}', "damaged", None])
def test_tables_are_never_removed_and_a_damaged_latest_one_asks_for_all(
    store: Store, latest: str | None
) -> None:
    finish(store, A, B)
    for key, stage in (("old", A), ("new", B)):
        table = store.root / "sweeps/one" / key
        table.mkdir(parents=True)
        (table / "outcome.json").write_text(f"cut in the middle: {stage.digest}")
    if latest is not None:
        (store.root / "sweeps/one/latest.json").write_text(latest)
    gone = names(collected(store, room(store, 500)))
    if latest == '{"key": "old"}':
        assert gone == [B.digest]
    assert names(collected(store, 0)) != []
    assert len(list((store.root / "sweeps").rglob("outcome.json"))) == 2


def test_what_a_lease_or_a_running_sweep_holds_stays_whatever_the_size(store: Store) -> None:
    finish(store, A, B, C)
    lease = Lease(store.lease_place(A.digest), "me")
    assert lease.take()
    view = store.cache / f"view-{folder_key(1)}"
    view.mkdir(parents=True)
    (view / "pixels.npy").write_bytes(b"x" * 500)
    with store.plans.begin("one", by_digest(B)):
        assert names(collected(Store(store.root), 0)) == [C.digest]
        store.plans.grow(by_digest(B, nap("grown")))
        assert nap("grown").digest in Store(store.root).plans.running()
    assert store.digests() == sorted([A.digest, B.digest])
    assert lease.place.read() is not None
    assert view.exists()  # a lease is held


def test_a_run_that_begins_meanwhile_keeps_its_stages(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its plan is kept after the look at it, before the stage is moved away."""
    finish(store, A)
    before = (store.folder(A.digest) / "file").stat().st_ino
    answers = [set(), {A.digest}]
    monkeypatch.setattr(store.plans, "running", lambda: answers.pop(0) if answers else {A.digest})
    assert not housekeeping._remove_stage(store, stages_of(store)[0])
    assert (store.folder(A.digest) / "file").stat().st_ino == before
    assert Store(store.root).has(A.digest)
    assert not (store.root / "work" / A.digest).exists()


def stages_of(store: Store) -> list[housekeeping.Lying]:
    return housekeeping.stages_lying(store, asked_of(store))


def test_nothing_goes_while_it_cannot_be_read_what_is_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patient, "PAUSES_S", ())
    finish(store, A)
    asks(store, "one", B)
    real = kept_files._unblocked

    def refused(path: Path, flags: int) -> int:
        if Path(path).parent.name == "plans":
            raise OSError(5, os.strerror(5))
        return real(path, flags)

    monkeypatch.setattr(kept_files, "_unblocked", refused)
    with pytest.raises(UnreadableError):
        collected(store, 0)
    assert store.digests() == [A.digest]


def test_after_an_edit_old_work_and_leases_go_and_those_of_the_plan_stay(store: Store) -> None:
    asks(store, "one", A, B)
    broken_off(store, A)
    broken_off(store, B)
    asks(store, "one", B)
    asks(store, "other", C)
    assert names(collected(store)) == [A.digest]
    assert work_of(store) == {B.digest}
    assert store.leased() == []
    assert len(store.plans.kept()) == 2


@pytest.mark.parametrize(("hours", "is_left"), [(0.5, True), (2, False)])
def test_a_lease_of_another_machine_goes_once_it_was_silent_for_an_hour(
    store: Store, hours: float, is_left: bool
) -> None:
    broken_off(store, A)
    lease = store.lease_path(A.digest)
    lease.write_text(lease.read_text().replace(machine(), "elsewhere/1"))
    then = lease.stat().st_mtime - 3600 * hours
    os.utime(lease, (then, then))
    asks(store, "one", B)
    collected(store, 0)
    assert (store.leased() == [A.digest]) == is_left
    assert (work_of(store) == {A.digest}) == is_left


def test_folders_of_this_machine_before_it_was_started_again_go_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boots = [f"node/{letter * 36}pid:[1]" for letter in "ab"]
    monkeypatch.setattr("abl.processes.machine", lambda: boots[0])
    kept = scratch_folder("abl-check-")
    owner = kept.__enter__().parent / "owner.json"
    for name in ("abl.processes.machine", "abl.scratch.machine"):
        monkeypatch.setattr(name, lambda: boots[1])
    assert left_scratch() == []
    then = owner.stat().st_mtime - 2 * 86_400
    os.utime(owner, (then, then))
    assert left_scratch() == [owner.parent]
    kept.__exit__(None, None, None)


def test_work_of_a_store_without_plans_stays_unless_the_size_demands_it(store: Store) -> None:
    broken_off(store, A)
    assert names(collected(store)) == []
    assert names(collected(store, 0)) == [A.digest]


def test_a_run_removes_the_oldest_of_nobodys_work_above_a_limit(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeping, "MOST_NOBODYS_BYTES", 12_000)
    asks(store, "one", A)
    broken_off(store, A, size=50_000, days=9)
    for at, days in enumerate((5, 7, 6)):
        broken_off(store, nap(f"old {at}"), days=days)
    (line,) = upkeep(store)
    assert "work that no sweep asks for any more: 1 stage, 5.0 KB" in line
    assert work_of(store) == {A.digest, nap("old 0").digest, nap("old 2").digest}
    assert store.leased() == []
    assert upkeep(store) == []


def ended(code: str, *words: str) -> None:
    """Runs code in a process that is killed at its end."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    kill = f"\nimport os; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    done = subprocess.run([sys.executable, "-c", code + kill, *words], env=env, check=False)
    assert done.returncode == -signal.SIGKILL


def test_scratch_folders_of_killed_processes_go_and_those_of_living_ones_stay(
    tmp_path: Path,
) -> None:
    place = tmp_path / "tmp"
    code = """
import sys
from abl.scratch import scratch_folder
made = scratch_folder("abl-check-", sys.argv[1])
(made.__enter__() / "pixels.npy").write_bytes(b"x" * 5000)
"""
    ended(code, str(place))
    (dead,) = place.iterdir()
    with scratch_folder("abl-check-") as living:
        (place / "abl-of-somebody").mkdir()  # it does not say whose it is
        assert left_scratch() == [dead]
        ((path, size),) = removed_scratch()
        assert (path, size > 5000, dead.exists()) == (dead, True, False)
        assert living.is_dir()
        assert (place / "abl-of-somebody").is_dir()
    assert [path.name for path in place.iterdir()] == ["abl-of-somebody"]


def test_half_written_files_of_dead_processes_go(store: Store) -> None:
    finish(store, A)
    ended(
        "import sys; from pathlib import Path; from abl.scratch import part_of\n"
        "for each in sys.argv[1:]: part_of(Path(each)).write_text('half')",
        *(str(path) for path in places(store)),
    )
    for path in places(store):
        part_of(path).write_text("being written by this process")
        old = path.with_name(f".{path.name}.4242.part")  # as earlier versions named them
        old.touch()
        os.utime(old, (1e9, 1e9))
    assert count(store, "half") == 3
    swept = collected(store)
    assert (count(store, "half"), swept.scraps) == (0, 6)
    assert count(store, "being") == 3
    assert not list(store.root.rglob("*.4242.part"))


def places(store: Store) -> list[Path]:
    found = [store.folder(A.digest) / "DONE.json", store.root / "sweeps/one/key/table.csv"]
    found.append(store.root / "index/recipes.parquet")
    for path in found:
        path.parent.mkdir(parents=True, exist_ok=True)
    return found


def count(store: Store, text: str) -> int:
    return sum(path.read_text().startswith(text) for path in store.root.rglob(".*.part"))


def test_a_stage_that_cannot_be_read_stays(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(store, A, B)
    monkeypatch.setattr("abl.record.lying.PAUSES_S", ())
    real = kept_files._unblocked

    def refused(path: Path, flags: int) -> int:
        if Path(path).parent == store.folder(A.digest):
            raise OSError(13, os.strerror(13))
        return real(path, flags)

    monkeypatch.setattr(kept_files, "_unblocked", refused)
    seen = Store(store.root)
    assert names(collected(seen, 0)) == [B.digest]
    assert seen.digests() == [A.digest]


def test_of_a_stage_that_is_a_link_only_the_link_counts(store: Store, tmp_path: Path) -> None:
    finish(store, A, B, size=50_000)
    moved = tmp_path / "other disk"
    os.rename(store.folder(A.digest), moved)
    store.folder(A.digest).symlink_to(moved)

    swept = collected(Store(store.root), keep=0)

    assert not store.folder(A.digest).exists()
    assert (moved / "file").stat().st_size == 50_000
    assert 50_000 < sum(each.bytes for each in swept.removed) < 60_000


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("500MB", 5 * 10**8), ("1.5GiB", 3 * 2**29), ("0B", 0), ("2 TB", 2e12)],
)
def test_sizes(text: str, size: int) -> None:
    assert bytes_of(text, "--keep") == size


@pytest.mark.parametrize(
    "text",
    ["", "5", "5G", "5gb", "5Gb", "-5GB", "+5GB", "1,5GB", "nanGB", "infGB", "1e3GB", "5 GB GB",
     "GB", "５GB", "5GB\n", "0x5GB", "5..0GB", ".5GB", "5EB"],
)  # fmt: skip
def test_what_is_no_size_is_refused_with_what_to_write(text: str) -> None:
    with pytest.raises(InputError, match=r"is no size: write it as \S+"):
        bytes_of(text, "--keep")


@pytest.mark.parametrize(("text", "meant"), [("5", "5GB"), ("5m", "5MB"), ("5gib", "5GiB")])
def test_a_size_without_its_unit_is_told_with_one(text: str, meant: str) -> None:
    with pytest.raises(InputError, match=f"write it as {meant}$"):
        bytes_of(text, "--keep")


def of_others(store: Store) -> list[Path]:
    """Folders and files of a user in the places of a store, older than anything of ours."""
    hexes = "ab" * 32
    made = [
        "done/my-thesis/chapter.tex", "done/notes.txt", f"done/{hexes}/figure.png",
        f"done/{hexes[:-1]}/DONE.json", f"done/{hexes.upper()}/DONE.json", "work/scans/a.dcm",
        f"work/{hexes}/mine/a.dcm", "work/list.csv", "cache/originals/a.png", "cache/Set-1/a.png",
        "cache/view-of-the-lake/a.png", "cache/list.csv", "fetched/letters/a.txt", "lease/notes",
        "plans/old.lease", "lease/notes.more",
    ]  # fmt: skip
    for name in made:
        path = store.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (1, 1))
    (store.root / "work/empty").mkdir()
    return [store.root / name for name in (*made, "work/empty")]


def test_what_has_no_name_of_ours_stays_and_is_listed(store: Store) -> None:
    finish(store, A)
    broken_off(store, B)
    theirs = of_others(store)
    housekeeping.upkeep(store)
    asks(store, "one", C)
    for dry_run in (True, False):
        swept = collected(Store(store.root), 0, dry_run=dry_run)
        assert {A.digest, B.digest} <= set(names(swept))
        told = {line.partition(":")[0] for line in swept.kept}
        assert {
            "done/my-thesis", "done/notes.txt", f"done/{'ab' * 32}", "work/scans", "work/list.csv",
            "cache/originals", "cache/Set-1", "cache/view-of-the-lake", "cache/list.csv",
            "fetched/letters", "work/empty", f"work/{'ab' * 32}",
        } <= told  # fmt: skip
        assert [path for path in theirs if not path.exists()] == []
    assert not store.folder(A.digest).exists()
    assert not (store.root / "work" / B.digest).exists()


def test_each_cache_that_we_make_has_a_name_of_ours() -> None:
    made = ("view", "images", "pixels", "masks", "readings", "duplicates", "own", "looks", "file")
    assert all(is_cache_name(f"{kind}-{folder_key(kind)}") for kind in made)
    for name in ("view", "view-", "view-1", "My-" + "a" * 32, "view-" + "A" * 32, "view-x\n"):
        assert not is_cache_name(name)

"""The store on an object store: one commit a stage, and machines that share no folder."""

from __future__ import annotations

import json
import threading
import uuid
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import abl
from abl.errors import InputError, StageError
from abl.plan.stage import Stage
from abl.processes import machine
from abl.record.done import DONE
from abl.record.lease import Watch
from abl.record.object_store import ObjectStore
from abl.record.objects import Objects
from abl.record.opening import mirrored, store_at, store_of
from abl.record.verifying import verdict_on
from abl.runner.engine import run_plan
from servers import running_s3
from tiny_sweeps import Heard, by_digest, double, nap, write_sweep

A, B = nap("a"), nap("b")


@pytest.fixture(
    params=["memory", pytest.param("s3", marks=pytest.mark.cluster)], ids=lambda name: str(name)
)
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "s3":
        request.getfixturevalue("s3")
        return f"s3://abl/{uuid.uuid4().hex}"
    return f"memory://{uuid.uuid4().hex}/store"


@pytest.fixture(scope="module")
def s3_server(tmp_path_factory: pytest.TempPathFactory):
    with running_s3(tmp_path_factory.mktemp("s3")) as environment:
        yield environment


@pytest.fixture
def s3(s3_server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_server.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def here(url: str, tmp_path: Path) -> ObjectStore:
    return ObjectStore(url, tmp_path / "here")


@pytest.fixture
def there(url: str, tmp_path: Path) -> ObjectStore:
    """The same store as another machine sees it."""
    return ObjectStore(url, tmp_path / "there")


def finish(store: ObjectStore, stage: Stage, text: str = "text") -> str:
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "sub").mkdir()
        (attempt.folder / "a.txt").write_text(text)
        (attempt.folder / "sub" / "b.txt").write_text("b")
        return store.commit(attempt, stage, {"seconds": 1.5}, {}).attempt


def objects_of(store: ObjectStore, digest: str) -> list[str]:
    return store.objects.names(f"done/{digest}")


def test_what_one_machine_commits_another_reads(here: ObjectStore, there: ObjectStore) -> None:
    here.check(writing=True)
    assert not there.has(A.digest)
    finish(here, A)
    for store in (here, there):
        done = store.done(A.digest)
        assert done is not None
        assert sorted(done.files) == ["a.txt", "sub/b.txt"]
        assert store.file(A.digest, "sub/b.txt").read_text() == "b"
        assert store.digests() == [A.digest]
        assert store.usable(by_digest(A)) == ({A.digest}, {})
        assert store.leased() == []
    assert not list((here.root / "work").glob("*/*"))


def test_of_several_attempts_one_is_committed(url: str, tmp_path: Path) -> None:
    stores = [ObjectStore(url, tmp_path / str(number)) for number in range(4)]
    barrier, attempts = threading.Barrier(4), []

    def commit(number: int) -> None:
        store = stores[number]
        # as if every lease had gone stale while its holder went on
        with store.claim(A.digest) as attempt:
            assert attempt is not None
            store.objects.remove(f"lease/{A.digest}")
            (attempt.folder / "a.txt").write_text(str(number))
            barrier.wait()
            attempts.append(store.commit(attempt, A, {}, {}).attempt)

    threads = [threading.Thread(target=commit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(attempts) == 4
    assert len(set(attempts)) == 1
    assert len({store.file(A.digest, "a.txt").read_text() for store in stores}) == 1
    fresh = ObjectStore(url, tmp_path / "fresh")
    assert fresh.damaged(A.digest) == ""
    # nothing of those that lost stays
    left = {f"done/{A.digest}/{DONE}", f"done/{A.digest}/{attempts[0]}/a.txt"}
    assert set(objects_of(fresh, A.digest)) == left


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_a_damaged_object_is_found_told_and_computed_again(
    here: ObjectStore, there: ObjectStore, how: str
) -> None:
    attempt = finish(here, A)
    name = f"done/{A.digest}/{attempt}/a.txt"
    {
        "flipped": lambda: here.objects.write(name, b"tExt"),
        "cut": lambda: here.objects.write(name, b"te"),
        "gone": lambda: here.objects.remove(name),
    }[how]()
    if how == "flipped":
        # sizes are seen when planning, checksums when reading
        assert there.has(A.digest)
        with pytest.raises(StageError, match="damaged"):
            there.file(A.digest, "a.txt")
    assert not there.has(A.digest)
    usable, said = there.usable(by_digest(A))
    assert usable == set()
    assert list(said) == [A.digest]
    there.discard(A.digest)
    finish(there, A)
    assert ObjectStore(here.objects.url, here.root.parent / "new").damaged(A.digest) == ""


def test_a_damaged_copy_is_fetched_again(here: ObjectStore, there: ObjectStore) -> None:
    finish(here, A)
    copy = there.file(A.digest, "a.txt")
    copy.write_text("rust")
    again = ObjectStore(there.objects.url, there.root)
    assert again.file(A.digest, "a.txt").read_text() == "text"
    assert again.has(A.digest)


def test_a_broken_commit_counts_for_nothing(here: ObjectStore, there: ObjectStore) -> None:
    here.objects.write(f"done/{A.digest}/killed/a.txt", b"half")
    assert there.usable(by_digest(A)) == (set(), {})
    assert there.digests() == []
    finish(there, A)
    assert not any("killed" in name for name in objects_of(here, A.digest))


def test_a_dead_holder_is_seen_at_once_and_a_silent_one_in_time(here: ObjectStore) -> None:
    now = [0.0]
    dead = {"owner": "x", "machine": machine(), "pid": 2**22 + 1, "start": "1", "beat": 0}
    place = here.lease_place(A.digest)
    assert place.create(json.dumps(dead))
    assert Watch(place, stale_s=1e9).free()
    assert here.leased() == []
    assert place.create(json.dumps(dead | {"machine": "elsewhere"}))
    watch = Watch(place, stale_s=60, clock=lambda: now[0])
    assert not watch.free()
    now[0] = 61
    assert watch.free()


def break_off(store: ObjectStore, epoch: str) -> str:
    """An attempt that ends after a checkpoint; what it began from."""
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        folder = store.checkpoints(attempt)
        last = folder / "last.txt"
        before = last.read_text() if last.exists() else ""
        (folder / ".last.txt.part").write_text("half")
        last.write_text(epoch)
        raise RuntimeError(before)


def test_another_machine_goes_on_from_a_checkpoint(
    here: ObjectStore, there: ObjectStore, tmp_path: Path
) -> None:
    for store, epoch, before in ((here, "3", ""), (there, "5", "3"), (here, "6", "3")):
        # a machine that has its own goes on from that
        with pytest.raises(RuntimeError) as caught:
            break_off(store, epoch)
        assert str(caught.value) == before
    third = ObjectStore(here.objects.url, tmp_path / "third")
    assert here.objects.names("checkpoints") != []
    assert len(run_plan(by_digest(A), third, Heard(), executor="local").ran) == 1
    assert here.objects.names("checkpoints") == []


def test_a_plan_runs_on_it_and_another_machine_has_nothing_left_to_do(
    here: ObjectStore, there: ObjectStore
) -> None:
    first = [nap(f"first {number}") for number in range(3)]
    last = double("nap", "last", *first, local=True)
    stages = by_digest(*first, last)
    assert len(run_plan(stages, here, Heard(), executor="local").ran) == 4
    report = run_plan(stages, there, Heard(), executor="local")
    assert (report.ran, len(report.reused)) == ([], 4)
    assert (
        there.file(last.digest, "nap.txt").read_text()
        == here.file(last.digest, "nap.txt").read_text()
    )


def test_folders_and_files_are_brought_to_another_machine(
    here: ObjectStore, there: ObjectStore, tmp_path: Path
) -> None:
    (here.cache / "view-1").mkdir(parents=True)
    (here.cache / "view-1" / "frame.bin").write_bytes(b"\0\1")
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"w")
    here.shared.publish(["view-1"])
    name = here.shared.name_of(str(weights))
    weights.unlink()
    assert (there.shared.cached("view-1") / "frame.bin").read_bytes() == b"\0\1"
    assert there.shared.path_of(name).read_bytes() == b"w"
    with pytest.raises(StageError, match="not in the store"):
        there.shared.cached("view-2")
    assert not (there.cache / "view-2").exists()


def test_a_worker_opens_it_by_its_address(here: ObjectStore, tmp_path, monkeypatch) -> None:
    finish(here, A)
    monkeypatch.setenv("ABL_SCRATCH", str(tmp_path / "scratch"))
    worker = store_of(here.address)
    assert worker.file(A.digest, "a.txt").is_relative_to(tmp_path / "scratch")
    assert worker.shared.meet("meeting")() == 1
    assert here.shared.meet("meeting")() == 2
    here.shared.end_meeting("meeting")
    assert here.objects.names("meetings") == []


class Overwriting(MemoryFileSystem):
    """An object store that knows no create-if-absent."""

    protocol = "overwriting"
    cachable = False

    def pipe_file(self, path, value, mode="overwrite", **kwargs):
        super().pipe_file(path, value, mode="overwrite", **kwargs)


def test_a_store_that_may_lose_a_commit_is_refused() -> None:
    fsspec.register_implementation("overwriting", Overwriting, clobber=True)
    objects = Objects("overwriting://x/store")
    objects.check(writing=False)
    with pytest.raises(InputError, match="two runs could commit one stage twice"):
        objects.check(writing=True)
    assert objects.names("") == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("s3://key:secret-word@bucket/x", "in the environment"),
        ("nonsense://bucket", "nonsense"),
        ("/a/folder", "--mlruns"),
    ],
)
def test_addresses_that_cannot_be_used_are_told(tmp_path: Path, address: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        store_at(tmp_path, address)
    assert words in str(caught.value)
    assert "secret-word" not in str(caught.value)


def test_a_set_on_an_object_store_is_copied_once(url: str, tmp_path: Path, monkeypatch) -> None:
    objects = Objects(url)
    objects.write("set/manifest.csv", b"image,label")
    objects.write("set/png/a.png", b"a")
    folder = mirrored(url, tmp_path)
    assert (folder / "set/png/a.png").read_bytes() == b"a"
    objects.write("set/png/a.png", b"b")
    objects.write("set/png/c.png", b"c")
    objects.remove("set/manifest.csv")
    copied = []
    whole = Objects.download_all
    monkeypatch.setattr(
        Objects, "download_all", lambda self, places: copied.extend(places) or whole(self, places)
    )
    assert mirrored(url, tmp_path) == folder
    assert sorted(copied) == ["set/png/a.png", "set/png/c.png"]
    assert (folder / "set/png/a.png").read_bytes() == b"b"
    assert not (folder / "set/manifest.csv").exists()
    with pytest.raises(InputError, match="no such folder"):
        mirrored(f"{url}/nothing", tmp_path)


def test_no_key_leads_out_of_the_folder(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(Objects, "versions", lambda self: {"../out.txt": "1", "in.txt": "1"})
    copied: list[str] = []
    monkeypatch.setattr(Objects, "download_all", lambda self, places: copied.extend(places))
    mirrored("memory://x/y", tmp_path)
    assert copied == ["in.txt"]


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("memory://sweeps", "use s3://BUCKET/FOLDER, or --executor local"),
        ("s3://", "names no bucket: write s3://BUCKET/FOLDER"),
    ],
)
def test_a_store_that_workers_cannot_see_is_refused(
    tiny_folder: Path, address: str, told: str
) -> None:
    path = write_sweep(tiny_folder)
    with pytest.raises(InputError, match=told):
        abl.run(abl.load(path, root=tiny_folder / "mlruns", store=address), record=False)
    assert not (tiny_folder / "mlruns").exists()


def test_a_sweep_reads_a_set_from_an_object_store(url: str, tiny_folder: Path) -> None:
    objects = Objects(url)
    images = tiny_folder / "images"
    for path in images.rglob("*"):
        if path.is_file():
            objects.upload(path, f"images/{path.relative_to(images).as_posix()}")
    (tiny_folder / "apart").mkdir()
    path = write_sweep(tiny_folder / "apart", {"axes": {"rule": ["original"]}, "base": None})
    with pytest.raises(InputError, match=r"images/manifest\.csv"):
        _ = abl.load(path, root=tiny_folder / "mlruns").plan
    plan = abl.load(path, data=[url], root=tiny_folder / "mlruns").plan
    beside = write_sweep(tiny_folder, {"axes": {"rule": ["original"]}, "base": None})
    assert plan.stages.keys() == abl.load(beside, root=tiny_folder / "mlruns").plan.stages.keys()


def test_verifying_reads_the_objects_and_tells_damage(
    here: ObjectStore, there: ObjectStore
) -> None:
    attempt = finish(here, A)
    finish(here, B)
    assert {verdict_on(there, d).state for d in there.digests()} == {"right"}
    here.objects.write(f"done/{A.digest}/{attempt}/a.txt", b"tExt")
    found = verdict_on(there, A.digest)
    assert (found.state, found.why) == ("damaged", "a.txt is damaged (checksum)")
    assert not ObjectStore(here.objects.url, there.root).has(A.digest)  # made again by a run
    assert verdict_on(there, B.digest).state == "right"
    assert not [path for path in there.root.rglob("*") if path.is_file()]  # nothing is kept


# last: S3 clients of a process are shared, and keep to the server that goes away here
@pytest.mark.cluster
def test_a_store_that_goes_away_is_one_line(tmp_path: Path, monkeypatch) -> None:
    with running_s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
        store = ObjectStore("s3://abl/x", tmp_path / "here")
        store.check(writing=True)
    with pytest.raises(StageError, match="store s3://abl/x: ") as caught:
        store.digests()
    assert "\n" not in str(caught.value)


@pytest.mark.cluster
def test_a_bucket_that_is_not_there_is_told_before_anything(s3, tmp_path: Path) -> None:
    store = store_at(tmp_path, "s3://nobody/x")
    with pytest.raises(InputError, match="cannot be used"):
        store.check(writing=True)
    assert not (tmp_path / "store").exists()

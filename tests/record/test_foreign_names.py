"""Names from somebody else's bucket, store or cache: no file outside the folder is touched."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.app.results import outcome_named
from abl.app.table_sums import SUMS, checked_file
from abl.contained import is_contained, path_below
from abl.data.cache_folders import is_whole
from abl.data.views import FACTS, pixel_folders
from abl.errors import InputError, StageError
from abl.plan.stage import digest_of
from abl.record.done import CHECKSUM, DONE, done_from_json
from abl.record.object_store import ObjectStore
from abl.record.objects import Objects
from abl.record.opening import INDEX, mirrored
from abl.record.shared import WHOLE
from abl.record.store import Store
from abl.spec.yaml_file import sha256_of
from tiny_sweeps import nap

A = nap("a")
MINE = "what the user wrote"


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A file of the user's, which must be as it was at the end."""
    path = tmp_path / "victim.txt"
    path.write_text(MINE)
    yield path
    assert path.read_text() == MINE
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [path.name]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(f"memory://{uuid.uuid4().hex}/store", tmp_path / "deep" / "er" / "store")


def odd_names(victim: Path) -> list[str]:
    up = "/".join([".."] * 12)
    return [
        str(victim), f"/{victim}", f"{up}{victim}", "..", ".", "", "a/../../b", "a//b", "./a",
        "a/.", "a/", "a\0b", "C:/x", "c:x", "..\\x", "a\\b", "\ud800",
    ]  # fmt: skip


def test_a_name_stays_below_its_folder_or_is_refused(victim: Path) -> None:
    for name in odd_names(victim):
        assert not is_contained(name), name
        with pytest.raises(ValueError, match="not the name of a file"):
            path_below(Path("/x"), name)
    for name in ("a", "a/b.png", "a b/ü.txt", "...", ".hidden", "ab:c/d", "-x"):
        assert path_below(Path("/x"), name) == Path(f"/x/{name}")


@given(st.text(st.characters() | st.sampled_from("./\\:~"), max_size=12))
def test_whatever_the_name_the_path_is_below_the_folder(name: str) -> None:
    if is_contained(name):
        path = path_below(Path("/folder"), name)
        assert path != Path("/folder")
        assert path.is_relative_to("/folder")
        assert ".." not in path.parts


def test_no_key_of_a_set_overwrites_a_file_elsewhere(
    victim: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {**dict.fromkeys(odd_names(victim), "1"), "in.txt": "1", f"{INDEX}/x": "1"}
    monkeypatch.setattr(Objects, "versions", lambda self: keys)

    def copy(self: Objects, places: dict[str, Path]) -> None:
        for path in places.values():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("theirs")

    monkeypatch.setattr(Objects, "download_all", copy)
    folder = mirrored("memory://x/y", tmp_path / "cache")
    assert sorted(each.name for each in folder.rglob("*")) == [INDEX, "in.txt"]


def test_no_index_of_a_set_removes_a_file_elsewhere(victim: Path, tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}/set"
    Objects(url).write("in.txt", b"1")
    folder = mirrored(url, tmp_path / "cache")
    (folder / INDEX).write_text(json.dumps(dict.fromkeys(odd_names(victim), "1")))
    assert mirrored(url, tmp_path / "cache") == folder
    assert (folder / "in.txt").read_bytes() == b"1"


def test_what_was_a_file_of_a_set_may_become_a_folder(tmp_path: Path) -> None:
    url = f"memory://{uuid.uuid4().hex}/set"
    objects = Objects(url)
    for first, then in (("a", "a/b"), ("a/b", "a")):
        objects.write(first, b"1")
        mirrored(url, tmp_path)
        objects.remove(first)
        objects.write(then, b"2")
        assert (mirrored(url, tmp_path) / then).read_bytes() == b"2"
        objects.remove(then)


def test_a_file_and_a_folder_of_one_name_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Objects, "versions", lambda self: {"a/b": "1", "a": "1"})
    with pytest.raises(InputError, match="'a' is a file and a folder there: rename one of them"):
        mirrored("memory://x/y", tmp_path)


def test_no_shared_folder_writes_elsewhere(victim: Path, store: ObjectStore) -> None:
    for name in odd_names(victim):
        store.objects.write("cache/view-1/x", b"theirs")
        store.objects.write(f"cache/view-1/{WHOLE}", json.dumps({name: "0" * 64}).encode())
        with pytest.raises(StageError, match=r"view-1: WHOLE.json is damaged in the store; run"):
            store.shared.cached("view-1")
        assert not (store.cache / "view-1").exists()
        with pytest.raises(StageError, match="is not the name of"):
            store.shared.cached(name)
        with pytest.raises(StageError, match="is not the name of"):
            store.shared.path_of(f"shared:view-1/{name}")


@pytest.mark.parametrize("text", ["[]", "null", "{", '"x"', '{"a": 1e999}', "\0"])
def test_a_list_of_shared_files_that_is_none_is_told(store: ObjectStore, text: str) -> None:
    store.objects.write("cache/view-1/a", b"1")
    store.objects.write(f"cache/view-1/{WHOLE}", text.encode())
    with pytest.raises(StageError, match="is damaged in the store; run the sweep again"):
        store.shared.cached("view-1")


def test_no_done_of_others_names_files_elsewhere(victim: Path, store: ObjectStore) -> None:
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "a.txt").write_text("text")
        store.commit(attempt, A, {"seconds": 1.5}, {})
    said = json.loads(store.read_done(A.digest))
    said.pop(CHECKSUM)

    def as_read(**changes: object) -> object:
        changed = {**said, **changes}
        # whoever writes to a bucket can write checksums too
        text = json.dumps({**changed, CHECKSUM: digest_of(changed)})
        store.objects.write(f"done/{A.digest}/{DONE}", text.encode())
        again = ObjectStore(store.objects.url, store.root)
        assert again.known([A.digest]).get(A.digest) == again.done(A.digest)
        return again.done(A.digest)

    assert as_read() is not None
    there = [4, sha256_of(victim)]
    for name in odd_names(victim)[:-1]:  # the last cannot be written into JSON's checksum
        assert as_read(files={name: there}) is None, name
    for attempt_name in (*odd_names(victim)[:4], ".", "a/b", "a b", "a\n", "\0"):
        assert as_read(attempt=attempt_name) is None, attempt_name


def test_files_beside_stages_of_a_bucket_are_in_nobodys_way(store: ObjectStore) -> None:
    store.objects.write("done/README", b"x")
    assert store.known([A.digest]) == {}
    assert store.digests() == []


def test_no_checkpoint_of_others_is_written_elsewhere(
    victim: Path, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"checkpoints/{A.digest}/{each}" for each in ("..", ".", "a\0", "b\\c", "good")]
    monkeypatch.setattr(Objects, "names", lambda self, folder: names)
    monkeypatch.setattr(Objects, "download", lambda self, name, path: path.write_text(name))
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        folder = store.checkpoints(attempt)
        assert [each.name for each in folder.iterdir()] == ["good"]


def test_sums_and_pixels_of_others_name_no_file_elsewhere(victim: Path, tmp_path: Path) -> None:
    folder = tmp_path / "x" / "view-1"
    folder.mkdir(parents=True)
    sums = {str(victim): sha256_of(victim)}
    (folder / ".sums.json").write_text(json.dumps(sums))
    assert not is_whole(folder)
    (folder / SUMS).write_text(json.dumps({"files": sums, "checksum": digest_of(sums)}))
    with pytest.raises(InputError, match="is damaged: `abl sweep FILE` makes it again"):
        checked_file(folder, "outcome.json")
    for name in (str(victim), "../..", 5, None):
        (folder / FACTS).write_text(json.dumps({"pixels": name}))
        with pytest.raises(InputError, match=f"{FACTS} is damaged: delete this folder"):
            pixel_folders(folder)


def test_the_latest_table_of_others_is_below_its_sweep(victim: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "m" / "store")
    folder = store.sweep_folder("s")
    folder.mkdir(parents=True)
    for key in (str(victim.parent), "../..", "..", 5, "\0"):
        (folder / "latest.json").write_text(json.dumps({"key": key}))
        with pytest.raises(InputError, match="the table of 's' is damaged"):
            outcome_named(store, "s")


def test_half_a_copy_is_never_published(
    store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.bin"
    weights.write_bytes(b"w" * 1000)
    name = store.shared.name_of(str(weights))
    copy = store.shared.path_of(name)
    folder = copy.parent.name
    # a kill of an earlier version while it copied
    copy.write_bytes(b"w" * 10)
    store.objects.remove(*store.objects.names("cache"))
    here = ObjectStore(store.objects.url, store.root)
    assert here.shared.path_of(here.shared.name_of(str(weights))).read_bytes() == b"w" * 1000
    there = ObjectStore(store.objects.url, tmp_path / "there")
    assert there.shared.path_of(name).read_bytes() == b"w" * 1000

    def killed(source: object, target: Path) -> None:
        Path(target).write_bytes(b"w" * 10)
        raise KeyboardInterrupt

    copy.unlink()
    store.objects.remove(*store.objects.names("cache"))
    monkeypatch.setattr("shutil.copyfile", killed)
    with pytest.raises(KeyboardInterrupt):
        ObjectStore(store.objects.url, store.root).shared.name_of(str(weights))
    assert not copy.exists()
    assert store.objects.names(f"cache/{folder}") == []


def test_two_files_of_one_content_are_both_found_elsewhere(
    store: ObjectStore, tmp_path: Path
) -> None:
    names = []
    for each in ("a.bin", "b.bin"):
        (tmp_path / each).write_bytes(b"w")
        names.append(store.shared.name_of(str(tmp_path / each)))
    there = ObjectStore(store.objects.url, tmp_path / "there")
    assert [there.shared.path_of(name).name for name in names] == ["a.bin", "b.bin"]


def test_done_of_a_folder_names_no_file_elsewhere(victim: Path, tmp_path: Path) -> None:
    store = Store(tmp_path / "m" / "store")
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "a.txt").write_text("text")
        store.commit(attempt, A, {"seconds": 1.5}, {})
    said = json.loads(store.read_done(A.digest))
    said.pop(CHECKSUM)
    said["files"] = {str(victim): [len(MINE), sha256_of(victim)]}
    assert done_from_json(A.digest, json.dumps(said)) is None

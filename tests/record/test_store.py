"""A stage is finished once, whole, and only what was committed is ever read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from abl.errors import StageError
from abl.plan.stage import Stage
from abl.record.done import DONE
from abl.record.store import Store
from tiny_sweeps import by_digest, nap

A = nap("a")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def finish(store: Store, stage: Stage, text: str = "text") -> None:
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        (attempt.folder / "sub").mkdir()
        (attempt.folder / "a.txt").write_text(text)
        (attempt.folder / "sub" / "b.txt").write_text("b")
        store.commit(attempt, stage, {"seconds": 1.5}, store.content(stage.inputs.values()))


class BrokenError(Exception):
    pass


def break_off(store: Store) -> None:
    """An attempt that ends at epoch 7."""
    with store.claim(A.digest) as attempt:
        assert attempt is not None
        (store.checkpoints(attempt) / "epoch.txt").write_text("7")
        (attempt.folder / "a.txt").write_text("half")
        raise BrokenError


def fresh(store: Store) -> Store:
    """The store as another process sees it."""
    return Store(store.root)


def test_what_was_committed_is_read_back(store: Store) -> None:
    assert not store.has(A.digest)
    finish(store, A)
    for each in (store, fresh(store)):
        done = each.done(A.digest)
        assert done is not None
        assert sorted(done.files) == ["a.txt", "sub/b.txt"]
        assert done.facts["seconds"] == 1.5
        assert done.stage["kind"] == "nap"
        assert each.file(A.digest, "a.txt").read_text() == "text"
        assert each.digests() == [A.digest]
        assert each.damaged(A.digest) == ""
    assert not (store.root / "work" / A.digest).exists()
    assert not list((store.root / "lease").iterdir())


def test_a_file_that_is_not_there_is_named(store: Store) -> None:
    finish(store, A)
    with pytest.raises(StageError, match=r"has no c\.txt"):
        store.file(A.digest, "c.txt")
    with pytest.raises(StageError, match=r"has no a\.txt"):
        store.file("0" * 64, "a.txt")


def test_an_attempt_that_raises_leaves_no_output_behind(store: Store) -> None:
    with pytest.raises(BrokenError):
        break_off(store)
    assert not store.has(A.digest)
    assert not list((store.root / "work").rglob("a.txt"))
    assert not store.lease_path(A.digest).exists()
    finish(store, A)
    assert store.file(A.digest, "a.txt").read_text() == "text"


@pytest.mark.parametrize("harm", ["cut", "gone", "no_done", "torn_done", "list_done"])
def test_a_damaged_stage_is_not_finished_and_is_made_again(store: Store, harm: str) -> None:
    finish(store, A)
    folder = store.folder(A.digest)
    if harm == "cut":
        (folder / "a.txt").write_text("tex")
    elif harm == "gone":
        (folder / "sub" / "b.txt").unlink()
    elif harm == "no_done":
        (folder / DONE).unlink()
    else:
        (folder / DONE).write_text('{"files": ' if harm == "torn_done" else "[]")
    seen = fresh(store)
    assert not seen.has(A.digest)
    found, said = seen.usable(by_digest(A))
    assert found == set()
    assert said == {A.digest: "nap a: damaged in the store, computed again"}
    finish(seen, A)
    assert fresh(store).file(A.digest, "a.txt").read_text() == "text"


def test_a_flipped_bit_is_found_when_read_and_the_stage_made_again(store: Store) -> None:
    finish(store, A)
    (store.folder(A.digest) / "a.txt").write_text("tExt")
    seen = fresh(store)
    assert seen.has(A.digest)
    with pytest.raises(StageError, match=r"a\.txt is damaged \(checksum\)"):
        seen.file(A.digest, "a.txt")
    for each in (seen, fresh(store)):
        assert each.usable(by_digest(A))[1] == {
            A.digest: "nap a: damaged in the store, computed again"
        }
    finish(seen, A)
    assert seen.file(A.digest, "a.txt").read_text() == "text"


def test_damage_is_named_file_by_file(store: Store) -> None:
    finish(store, A)
    (store.folder(A.digest) / "sub" / "b.txt").write_text("x")
    assert fresh(store).damaged(A.digest) == "sub/b.txt"
    assert fresh(store).damaged("0" * 64) == DONE


def test_of_two_attempts_the_first_to_commit_wins(store: Store) -> None:
    with store.claim(A.digest) as first:
        assert first is not None
        (first.folder / "a.txt").write_text("first")
        # the first is believed dead: its lease is taken away from it
        store.lease_path(A.digest).unlink()
        with Store(store.root).claim(A.digest) as second:
            assert second is not None
            (second.folder / "a.txt").write_text("second")
            store.commit(second, A, {}, {})
        (first.folder / "a.txt").parent.mkdir(parents=True, exist_ok=True)
        (first.folder / "a.txt").write_text("first")
        done = store.commit(first, A, {}, {})
    assert fresh(store).file(A.digest, "a.txt").read_text() == "second"
    assert done.files == fresh(store).done(A.digest).files
    assert not (store.root / "work" / A.digest).exists()


def test_discard_takes_all_of_it_away(store: Store) -> None:
    finish(store, A)
    store.file(A.digest, "a.txt")
    store.discard(A.digest)
    store.discard(A.digest)
    assert not store.has(A.digest)
    assert store.digests() == []
    finish(store, A, "other")
    assert store.file(A.digest, "a.txt").read_text() == "other"


def test_what_read_a_changed_input_is_computed_again(store: Store) -> None:
    reader = nap("reader", A)
    other = nap("other")
    stages = by_digest(A, reader, other)
    for stage in stages.values():
        finish(store, stage)
    assert store.usable(stages) == (set(stages), {})
    store.discard(A.digest)
    # gone is not changed: what was made from it still counts
    assert store.usable(stages)[0] == {reader.digest, other.digest}
    finish(store, A)
    assert store.usable(stages) == (set(stages), {})
    store.discard(A.digest)
    finish(store, A, "different")
    found, said = store.usable(stages)
    assert found == {A.digest, other.digest}
    assert said == {reader.digest: "nap reader: an input has changed since, computed again"}


def test_threads_that_want_one_stage_compute_it_once(store: Store) -> None:
    computed = []

    def want() -> None:
        mine = fresh(store)
        with mine.claim(A.digest, wait=lambda _: time.sleep(0.01)) as attempt:
            if attempt is None:
                assert mine.has(A.digest)
                return
            time.sleep(0.1)
            (attempt.folder / "a.txt").write_text("a")
            mine.commit(attempt, A, {}, {})
            computed.append(attempt.name)

    threads = [threading.Thread(target=want) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(computed) == 1
    assert fresh(store).has(A.digest)


RACE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tiny_sweeps import nap
from abl.record.store import Store
from abl.runner.execute import run_stage
for number in range(5):
    print(number, run_stage(Store(Path(sys.argv[1])), nap(str(number), seconds=0.1)).status)
"""


def test_processes_that_want_the_same_stages_compute_each_once(store: Store) -> None:
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-c", RACE, str(store.root), here]
    racers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    lines = [line for racer in racers for line in racer.communicate(timeout=60)[0].splitlines()]
    assert Counter(lines) == Counter(f"{n} {s}" for n in range(5) for s in ("done", "reused"))


def test_a_dead_holders_stage_is_taken_over_at_once(store: Store) -> None:
    code = (
        "import os, sys; from pathlib import Path; from abl.record.store import Store;"
        "claim = Store(Path(sys.argv[1])).claim(sys.argv[2]); a = claim.__enter__();"
        "(a.folder / 'half.txt').write_text('x'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(store.root), A.digest], check=False)
    assert store.lease_path(A.digest).exists()
    started = time.monotonic()
    finish(store, A)
    assert time.monotonic() - started < 5
    assert sorted(store.done(A.digest).files) == ["a.txt", "sub/b.txt"]
    assert not (store.root / "work" / A.digest).exists()


def test_a_silent_holder_elsewhere_loses_its_stage_in_time(tmp_path: Path) -> None:
    store = Store(tmp_path, stale_s=0.3)
    store.lease_path(A.digest).parent.mkdir(parents=True)
    holder = {"owner": "x", "machine": "elsewhere", "pid": 1, "start": "1", "beat": 0}
    store.lease_path(A.digest).write_text(json.dumps(holder))
    started = time.monotonic()
    finish(store, A)
    assert time.monotonic() - started >= 0.3


def test_checkpoints_of_a_broken_attempt_are_handed_on(store: Store) -> None:
    with pytest.raises(BrokenError):
        break_off(store)
    with store.claim(A.digest) as attempt:
        folder = store.checkpoints(attempt)
        assert (folder / "epoch.txt").read_text() == "7"
        (folder / "epoch.txt").write_text("8")
        (attempt.folder / "a.txt").write_text("a")
        store.commit(attempt, A, {}, {})
    assert list(fresh(store).done(A.digest).files) == ["a.txt"]
    assert not (store.root / "work" / A.digest).exists()


def test_the_newest_checkpoints_are_handed_on(store: Store) -> None:
    work = store.root / "work" / A.digest
    for name, epoch, when in (("old", "1", 1000), ("new", "5", 2000), ("older", "0", 500)):
        folder = work / f"{name}.checkpoints"
        folder.mkdir(parents=True)
        (folder / "epoch.txt").write_text(epoch)
        os.utime(folder, (when, when))
    with store.claim(A.digest) as attempt:
        assert (store.checkpoints(attempt) / "epoch.txt").read_text() == "5"


def test_a_store_that_cannot_be_written_says_so(store: Store) -> None:
    with store.claim(A.digest) as attempt:
        (store.root / "done").write_text("a file where a folder should be")
        with pytest.raises(OSError, match="done"):
            store.commit(attempt, A, {}, {})


def test_done_says_which_stage_it_is_of(store: Store) -> None:
    """Folders that change places, as a restored backup may have them, are damage and no stages."""
    other = nap("other")
    finish(store, A)
    finish(store, other, "text of another")
    one, two, aside = store.folder(A.digest), store.folder(other.digest), store.root / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)
    found, said = fresh(store).usable(by_digest(A, other))
    assert found == set()
    assert set(said) == {A.digest, other.digest}


@pytest.mark.parametrize(
    ("before", "after"),
    [('"seconds": 1.5', '"seconds": 1.6'), ('"seconds": 1.5', '"seconds": null'),
     ('"label": "nap a"', '"label": "nap b"'), ('"attempt": "', '"attempt": "x')],
)  # fmt: skip
def test_whatever_of_done_is_another_is_damage(store: Store, before: str, after: str) -> None:
    finish(store, A)
    done = store.folder(A.digest) / DONE
    text = done.read_text()
    assert before in text
    done.write_text(text.replace(before, after))
    assert not fresh(store).has(A.digest)


def test_done_of_earlier_versions_has_no_checksum_and_is_read(store: Store) -> None:
    finish(store, A)
    done = store.folder(A.digest) / DONE
    said = json.loads(done.read_text())
    del said["checksum"]
    done.write_text(json.dumps(said))
    assert fresh(store).has(A.digest)
    done.write_text(json.dumps(said | {"facts": {"seconds": None}}))
    assert not fresh(store).has(A.digest)


def test_damage_that_was_mended_meanwhile_is_not_damage(store: Store) -> None:
    finish(store, A)
    seen = fresh(store)
    done = seen.done(A.digest)
    store.discard(A.digest)
    finish(store, A)
    seen.mark_damaged(done)
    assert fresh(store).has(A.digest)

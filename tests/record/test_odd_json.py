"""Files of ours in JSON that hold what JSON allows and no machine does: damage, no traceback."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abl.app.table_sums import SUMS, wrong_in_table
from abl.data.cache_folders import is_whole
from abl.kept_files import json_kept
from abl.plan.outcome_json import outcome_from_json
from abl.plan.stage import digest_of
from abl.record.done import CHECKSUM, DONE
from abl.record.recipes import recipes_of
from abl.record.store import Store
from abl.record.verifying import verdict_on
from abl.record.waiting import held_by
from abl.runner.ledger import known_shares
from tiny_sweeps import nap

A, B = nap("a"), nap("b")
HUGE, LONE = "1" + 400 * "0", '"\\ud800"'


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    for stage in (A, B):
        with store.claim(stage.digest) as attempt:
            assert attempt is not None
            (attempt.folder / "a.txt").write_text("text")
            store.commit(attempt, stage, {"seconds": 1.5, "gpu_bytes": 7}, {})
    return Store(store.root)


def of_earlier_version(store: Store, before: str, after: str) -> None:
    path = store.folder(A.digest) / DONE
    said = json.loads(path.read_text())
    said.pop(CHECKSUM)
    text = json.dumps(said)
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize("odd", ["Infinity", "-Infinity", "NaN", "1e999", HUGE, f"-{HUGE}", LONE])
@pytest.mark.parametrize("place", ['"seconds": 1.5', '"gpu_bytes": 7', "[a.txt", '"label"'])
def test_a_number_or_text_that_nothing_holds_is_damage(store: Store, place: str, odd: str) -> None:
    if place == '"label"':
        of_earlier_version(store, '"label": "nap a"', f'"label": {odd}')
    elif place == "[a.txt":
        of_earlier_version(store, '"a.txt": [4,', f'"a.txt": [{odd},')
    else:
        of_earlier_version(store, place, f"{place.partition(':')[0]}: {odd}")
    assert store.done(A.digest) is None
    assert known_shares(store) == {}
    recipes_of(store)  # what every plan looks through
    verdict = verdict_on(store, A.digest)
    assert verdict is not None
    assert verdict.state == "damaged"
    # the others are in nobody's way
    assert store.has(B.digest)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"a.txt"', '"a\\u0000.txt"'),
        ('"a.txt": [4,', '"a.txt": ["4 bytes",'),
        ('"context": {', '"context": [], "more": {'),
        ('"attempt": "', '"attempt": "\\u0000'),
    ],
)
def test_a_name_or_part_of_another_kind_is_damage(store: Store, before: str, after: str) -> None:
    of_earlier_version(store, before, after)
    assert store.done(A.digest) is None
    assert store.known([A.digest, B.digest]).keys() == {B.digest}


@pytest.mark.parametrize("text", [HUGE, f"[-{HUGE}]", LONE, f'{{"a": {{{LONE}: 1}}}}'])
def test_no_file_of_ours_holds_it(text: str) -> None:
    for each in (text, text.encode()):
        with pytest.raises(ValueError):  # noqa: PT011 - of several kinds, and never another
            json_kept(each)
    with pytest.raises(ValueError):  # noqa: PT011
        json_kept(b'"\xed\xa0\x80"')  # half a pair, as bytes


def test_what_only_looks_like_it_is_read() -> None:
    assert json_kept('"\\ud83d\\ude00"') == "\U0001f600"
    assert json_kept(f'"{HUGE}"') == HUGE
    assert json_kept(f'"{HUGE}"'.encode()) == HUGE
    assert json_kept(f"[{2**64}, 1.5, {HUGE[:305]}]") == [2**64, 1.5, int(HUGE[:305])]
    assert json_kept('"\\\\ud800"') == "\\ud800"


ODD: list[Any] = [None, 5, "x", [], ["a"], {"a": 1e999}, {"a": {"b": 1}}, {"a": None}]


@pytest.mark.parametrize("odd", [*ODD, {"\0": "0" * 64}])
def test_odd_sums_are_damage(tmp_path: Path, odd: object) -> None:
    try:
        digest = digest_of(odd)
    except ValueError:
        digest = "0" * 64
    (tmp_path / SUMS).write_text(json.dumps({"files": odd, "checksum": digest}))
    assert wrong_in_table(tmp_path) in (SUMS, "a")
    (tmp_path / ".sums.json").write_text(json.dumps(odd))
    assert not is_whole(tmp_path)


def test_an_outcome_with_an_odd_part_is_refused() -> None:
    for odd in ODD:
        for text in (
            json.dumps({"format": 1, "arms": odd}),
            json.dumps({"format": 1, "arms": [odd], "facts": {}}),
            json.dumps(odd),
        ):
            with pytest.raises(ValueError):  # noqa: PT011
                outcome_from_json(text)


def test_a_lease_with_an_odd_part_names_nobody() -> None:
    for odd in ("Infinity", HUGE, LONE, "[]", "null"):
        text = f'{{"pid": {odd}, "machine": "m"}}'
        assert held_by(text) == "held by a process that its lease does not name"

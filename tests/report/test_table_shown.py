"""`abl table` with its options, on what the store keeps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from abl.app.showing import shown_table
from abl.data.modalities import paired_modalities
from abl.data.phantom import phantom_dataset
from abl.errors import InputError
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.prediction_frames import metadata_of, thumbnails_of
from abl.report.tables import printed
from abl.spec.data import Phantom
from commands import abl
from made_arms import THREE, keep, key_of, made_frame, made_outcome

Made = tuple[Store, Outcome]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    frame = made_frame(dict(zip(THREE, (0.3, 0.8, 1.6), strict=True)))
    names = phantom_dataset(Phantom(patients=40)).frame["image"].tolist()
    frame["unit"] = frame["unit"].map(dict(zip(frame["unit"].unique(), names, strict=False)))
    outcome = made_outcome(frame, THREE, base=next(iter(THREE)))
    return keep(tmp_path_factory.mktemp("store"), outcome, frame), outcome


def test_the_table_in_other_dress(made: Made) -> None:
    store, outcome = made
    mean = outcome.arms[0].cells["acc"].mean
    text = printed(shown_table(store, "made", decimals=3), "text")
    assert f"{100 * mean:.3f}" in text
    text = printed(
        shown_table(store, "made", fraction=True, spread=True, intervals=True), "text", width=200
    )
    assert f"{mean:.3f}" in text
    assert "ACC 95 % interval" in text
    assert "±" in text
    assert "±" not in printed(shown_table(store, "made", intervals=True), "text")
    pivoted = shown_table(store, "made", pivot="rule,consensus", metric="auc")
    assert [row[0].text for row in pivoted.rows] == ["original", "average"]


def test_other_tables(made: Made) -> None:
    store, _ = made
    assert len(shown_table(store, "made", show="replicates").rows) == 9
    settings = printed(shown_table(store, "made", show="settings"), "csv")
    assert "resamples,400,ours" in settings
    assert shown_table(store, "made", show="cost").rows == ()


def test_each_other_table_has_a_label_of_its_own_in_latex(made: Made) -> None:
    store, _ = made
    tables = [shown_table(store, "made")]
    tables += [shown_table(store, "made", show=show) for show in ("settings", "cost", "replicates")]
    labels = [re.findall(r"\\label{(.+)}", printed(each, "latex")) for each in tables]
    assert labels == [
        ["tab:made"], ["tab:made-settings"], ["tab:made-cost"], ["tab:made-replicates"],
    ]  # fmt: skip


def test_subgroups_by_a_column_of_the_data(made: Made) -> None:
    store, _ = made
    data = phantom_dataset(Phantom(patients=40))
    column = next(name for name in data.frame.columns if data.frame[name].nunique() == 2)
    table = shown_table(store, "made", show=f"subgroup={column}", metric="acc")
    known = metadata_of(data, "image")[column].astype(str)
    assert {row[2].text for row in table.rows} <= set(known)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"show": "replicate"}, "did you mean 'replicates'"),
        ({"show": "noise"}, "has no wrong labels to look for"),
        ({"show": "choices"}, "made chooses no T*: no arm"),
        ({"show": "external"}, "has no external sets"),
        ({"show": "cost", "pivot": "rule,consensus"}, "--show stands alone"),
        ({"show": "subgroup=center"}, "no such column"),
        ({"pivot": "rule"}, "ROWS,COLUMNS"),
        ({"metric": "sen"}, "no metric 'sen'"),
        ({"published": Path("nowhere.csv")}, "nowhere.csv: no such file"),
    ],
)
def test_what_cannot_be_shown_is_told(made: Made, options: dict, said: str) -> None:
    with pytest.raises(InputError) as caught:
        shown_table(made[0], "made", **options)
    assert said in str(caught.value)


def test_pictures_are_small_pngs_of_the_units() -> None:
    data = phantom_dataset(Phantom(patients=6))
    picture = thumbnails_of(data, "patient", side=32)
    (png,) = picture(str(data.frame["patient"].iloc[-1]))
    assert png.startswith(b"\x89PNG")
    assert max(int.from_bytes(png[16:20]), int.from_bytes(png[20:24])) == 32
    assert picture("nobody") == ()


def test_pictures_of_pairs_are_of_both_modalities() -> None:
    data = paired_modalities(phantom_dataset(Phantom(patients=6)), "own")
    first, second = thumbnails_of(data, "image", side=32)(str(data.frame["image"].iloc[0]))
    assert first != second


@pytest.mark.parametrize("options", [{"metric": "auc"}, {"intervals": True}, {"spread": True}])
def test_options_of_the_ablation_table_are_no_use_to_others(made: Made, options: dict) -> None:
    store, _ = made
    with pytest.raises(InputError, match="are of other tables"):
        shown_table(store, "made", show="replicates", **options)


def test_a_subgroup_without_a_column_is_told_what_to_type(made: Made) -> None:
    store, _ = made
    with pytest.raises(InputError, match="subgroup=COLUMN"):
        shown_table(store, "made", show="subgroup=")


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sweep of 90 arms: one base, one best, most alike."""
    frame = made_frame(dict(zip(THREE, (0.3, 0.8, 1.6), strict=True)))
    outcome = made_outcome(frame, THREE, base=next(iter(THREE)))
    base, other, best = outcome.arms
    others = [
        replace(other, key=key_of("other", n), params={"consensus": n, "rule": "average"})
        for n in range(100, 188)
    ]
    outcome = replace(outcome, arms=(*others, replace(best, best=True), base))
    folder = tmp_path_factory.mktemp("many")
    keep(folder / "mlruns" / "store", outcome, frame)
    return folder


def test_a_terminal_shows_of_many_arms_those_that_matter(many: Path) -> None:
    done = abl(many, "table", "made")
    assert done.exit_code == 0, done.output
    shown = set(re.findall(r"consensus (\d+)", done.output))
    assert len(shown) == 29, done.output  # and the base
    assert re.search(r"(?m)^original", done.output)
    said = " ".join(done.output.split())
    assert "30 of 90 arms: base and best, those that tie or differ" in said
    assert "abl table made --all, or the report and table.csv" in said
    whole = abl(many, "table", "made", "--all")
    assert "of 90 arms" not in " ".join(whole.output.split())
    assert len(whole.output.splitlines()) > len(done.output.splitlines()) + 55
    csv = abl(many, "table", "made", "--format", "csv").output
    assert len(csv.splitlines()) == 91


def test_a_terminal_shows_of_their_replicates_those_of_the_arms_that_matter(many: Path) -> None:
    done = abl(many, "table", "made", "--show", "replicates")
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "30 of 270 rows: 10 arms of 90, base and best" in said
    assert "abl table made --show replicates --all, or --format csv" in said
    assert len(re.findall(r"(?m)^.*(?:average|original).* 0 +0 +\d ", done.output)) == 30
    whole = abl(many, "table", "made", "--show", "replicates", "--all")
    assert "of 270 rows" not in " ".join(whole.output.split())
    csv = abl(many, "table", "made", "--show", "replicates", "--format", "csv").output
    assert len(csv.splitlines()) == 271


def test_rows_with_published_values_are_always_shown(many: Path) -> None:
    stated = many / "stated.csv"
    lines = [f"{n},average,80.0" for n in range(150, 185)]
    stated.write_text("consensus,rule,acc\n" + "\n".join(lines) + "\n", encoding="utf-8")
    said = " ".join(abl(many, "table", "made", "--published", str(stated)).output.split())
    assert said.count("80.0") >= 35
    assert "those with published values" in said

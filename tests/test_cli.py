"""The command `abl` as a person meets it: what it prints, what it writes, how it exits."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import Result

from abl.app.comparing import compare
from abl.app.results import arm_predictions, outcome_named
from abl.record.store import Store
from commands import abl
from tiny_sweeps import write_sweep

# a user's own networks, for commands that run in processes of their own
NETS = """
from torch import nn
from abl.nets.registry import network


def means(side, channels):
    return [nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.LayerNorm(side * side * channels)]


@network("{prefix}_small")
def small(classes, channels, image_size):
    return nn.Sequential(*means(3, channels), nn.Linear(9 * channels, classes))


@network("{prefix}_large")
def large(classes, channels, image_size):
    return nn.Sequential(*means(6, channels), nn.Linear(36 * channels, classes))
"""


def local(folder: Path, *words: str) -> Result:
    return abl(folder, "sweep", *words, "--executor", "local", "--record", "off")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> tuple[Path, Result]:
    """A folder in which the tiny sweep was run, and what it printed."""
    import shutil

    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(tiny_images.parent, folder / "images")
    write_sweep(folder)
    return folder, local(folder, "tiny.yaml")


def test_a_sweep_prints_its_table_and_where_it_lies(ran: tuple[Path, Result]) -> None:
    folder, result = ran
    assert result.exit_code == 0, result.output
    assert "original" in result.output
    assert "model1" in result.output
    place = result.output.split("tables and figures: ")[1].split()[0]
    assert (folder / place / "table.txt").is_file()
    assert not list((folder / "mlruns").glob("*.db"))


def test_the_same_command_again_trains_nothing_and_prints_the_same_table(
    ran: tuple[Path, Result],
) -> None:
    folder, first = ran
    again = local(folder, "tiny.yaml")
    assert again.exit_code == 0
    table = abl(folder, "table", "tiny").output
    assert table in first.output
    assert table in again.output
    assert "5 reused" in again.output
    assert "running" not in again.output.split(table)[0]


@pytest.mark.parametrize("format", ["text", "md", "csv", "latex", "html"])
def test_a_table_in_every_format(ran: tuple[Path, Result], format: str) -> None:
    result = abl(ran[0], "table", "tiny", "--format", format)
    assert result.exit_code == 0
    assert "model1" in result.stdout
    marks = {
        "text": "model1",
        "md": "| arm |",
        "csv": "rule,",
        "latex": r"\toprule",
        "html": "<table",
    }
    assert marks[format] in result.stdout


def test_one_image_in_every_network(ran: tuple[Path, Result]) -> None:
    result = abl(ran[0], "table", "tiny", "--show", "image=png/003a.png", "--format", "csv")
    assert result.exit_code == 0
    head, *rows = result.stdout.splitlines()
    assert head == "network,role,p_0,p_1,class"
    assert len(rows) == len(set(rows)) > 1
    for row in rows:
        network, role, benign, malignant, largest = row.split(",")
        assert network.startswith("train ")
        assert role in ("train", "validation", "test")
        assert float(benign) + float(malignant) == pytest.approx(1)
        assert largest == ("malignant" if float(malignant) >= float(benign) else "benign")
    result = abl(ran[0], "table", "tiny", "--show", "image=png/nobody.png")
    assert result.exit_code == 2
    assert "no network of tiny has seen an image of that name" in result.stderr


def test_a_table_that_is_not_there_exits_with_2(ran: tuple[Path, Result], tmp_path: Path) -> None:
    result = abl(ran[0], "table", "tinny")
    assert result.exit_code == 2
    assert "did you mean 'tiny'?" in result.stderr
    assert abl(tmp_path, "table", "tiny").exit_code == 2
    assert abl(ran[0], "table", "tiny", "--format", "word").exit_code == 2


@pytest.mark.parametrize("words", [(), ("sweep",), ("store", "gc"), ("readers",)])
def test_help_is_asked_for_in_two_ways(tmp_path: Path, words: tuple[str, ...]) -> None:
    short = abl(tmp_path, *words, "-h")
    assert short.exit_code == 0
    assert "Usage" in short.stdout
    assert short.stdout == abl(tmp_path, *words, "--help").stdout


def test_a_plan_tells_and_runs_nothing(tiny_sweep: Path) -> None:
    folder = tiny_sweep.parent
    before = sorted(folder.rglob("*"))
    result = abl(folder, "plan", "tiny.yaml")
    assert result.exit_code == 0
    assert "decoding 48 images" in result.stderr
    # images are decoded once, as the sweep does it
    added = {path.relative_to(folder) for path in set(folder.rglob("*")) - set(before)}
    cache = Path("mlruns/store/cache")
    assert all(path.is_relative_to(cache) or cache.is_relative_to(path) for path in added)
    assert "decoding" not in abl(folder, "plan", "tiny.yaml").stderr
    assert "arms         2" in result.stdout
    assert "4 distinct; 5 if each cell trained its own" in result.stdout
    assert "in the store 0, to compute 5" in result.stdout
    numbers = json.loads(abl(folder, "plan", "tiny.yaml", "--json").stdout)
    assert (numbers["arms"], numbers["trainings"], numbers["stages"]) == (2, 4, 5)


def test_a_plan_knows_what_the_store_holds_and_how_long_it_took(ran: tuple[Path, Result]) -> None:
    result = abl(ran[0], "plan", "tiny.yaml")
    assert "in the store 5, to compute 0" in result.stdout
    assert "nothing to compute" in result.stdout
    import shutil

    more = ran[0] / "more.yaml"
    shutil.copy(ran[0] / "tiny.yaml", more)
    more.write_text(more.read_text().replace("- 0\n", "- 0\n  - 1\n", 1))
    result = abl(ran[0], "plan", "more.yaml")
    assert "in the store 5, to compute 5" in result.stdout
    assert "by recorded stage times" in result.stdout


def test_every_error_of_a_file_at_once_with_lines_and_code_2(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(
        "name: x\nstudy: two_step\ndata: {phantom: {patient: 3}}\ntrain: {epohcs: 3}\n"
    )
    for command in ("plan", "sweep"):
        result = abl(tmp_path, command, "bad.yaml")
        assert result.exit_code == 2
        assert result.stderr.splitlines() == [
            "abl: bad.yaml:3: unknown key 'data.phantom.patient': did you mean 'patients'?",
            "abl: bad.yaml:4: unknown key 'train.epohcs': did you mean 'epochs'?",
        ]
        assert result.stdout == ""
    assert not (tmp_path / "mlruns").exists()
    assert abl(tmp_path, "plan", "none.yaml").exit_code == 2


def test_bad_words_on_the_command_line_exit_with_2(tiny_sweep: Path) -> None:
    folder = tiny_sweep.parent
    assert abl(folder, "sweeep", "tiny.yaml").exit_code == 2
    assert abl(folder, "sweep", "tiny.yaml", "--executor", "slurm").exit_code == 2
    assert abl(folder, "sweep", "tiny.yaml", "--workers", "0").exit_code == 2
    assert abl(folder, "plan", "tiny.yaml", "--data", "nowhere").exit_code == 2
    assert abl(folder, "list", "network").exit_code == 2
    assert not (folder / "mlruns").exists()


def test_a_failed_stage_exits_with_1_and_names_stage_arm_and_cause(tiny_folder: Path) -> None:
    (tiny_folder / "bad.py").write_text(
        "from torch import nn\n"
        "from abl.nets.registry import network\n"
        "class Bad(nn.Linear):\n"
        "    def forward(self, images):\n"
        "        if images.is_meta:\n"
        "            return super().forward(images.flatten(1)[:, :4])\n"
        "        raise ValueError('cannot be computed')\n"
        "@network('cli_bad')\n"
        "def bad(classes, channels, image_size):\n"
        "    return Bad(4, classes)\n"
    )
    axes = {"rule": ["original"], "network": ["pooled3", "cli_bad"]}
    write_sweep(tiny_folder, {"module": "bad.py", "axes": axes, "base": None})
    result = local(tiny_folder, "tiny.yaml")
    assert result.exit_code == 1
    assert "abl: failed: train cli_bad r0 f0 s0 (arms: " in result.stderr
    assert "ValueError: cannot be computed" in result.stderr
    assert "pooled3" in result.stdout


def test_smoke_shrinks_any_sweep(tiny_sweep: Path) -> None:
    result = local(tiny_sweep.parent, "tiny.yaml", "--smoke")
    assert result.exit_code == 0, result.output
    assert "tiny-smoke" in abl(tiny_sweep.parent, "status").stdout


def test_status_before_and_after(ran: tuple[Path, Result], tmp_path: Path) -> None:
    assert abl(tmp_path, "status").stdout == "store: nothing; 0.0 MiB\n"
    assert not (tmp_path / "mlruns").exists()
    said = abl(ran[0], "status").stdout
    assert said.splitlines()[0].split() == ["tiny", "2", "arms", "complete"]
    assert "1 select, 4 train" in said
    assert "running" not in said
    assert "broken off" not in said


def test_status_tells_what_runs_from_what_was_left(tmp_path: Path) -> None:
    store = Store(tmp_path / "mlruns/store")
    for digest in ("a" * 64, "b" * 64):
        (store.root / "work" / digest / "attempt.checkpoints").mkdir(parents=True)
    assert abl(tmp_path, "status").stdout.splitlines()[-1] == (
        "failed or broken off: 2 stages; `abl sweep` again goes on from there"
    )
    with store.claim("a" * 64):
        said = abl(tmp_path, "status").stdout.splitlines()
    assert said[-2] == "running: 1 stage"
    assert said[-1].startswith("failed or broken off: 1 stage;")


COMMANDS = {
    "sweep": ["sweep", "tiny.yaml"],
    "plan": ["plan", "tiny.yaml"],
    "table": ["table", "tiny"],
    "compare": ["compare", "tiny:original", "tiny:model1"],
    "import": ["import", "none.csv", "--as", "x", "--into", "tiny"],
    "status": ["status"],
    "record": ["record"],
    "ui": ["ui"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["tiny.yaml", "tiny.yaml/below", "x" * 300])
def test_a_root_that_cannot_be_used_is_told_in_one_line(
    tiny_sweep: Path, command: str, place: str
) -> None:
    before = sorted(tiny_sweep.parent.rglob("*"))
    result = abl(tiny_sweep.parent, *COMMANDS[command], "--mlruns", place)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"abl: --mlruns {place}: not a folder that can be used: ")
    assert result.stdout == ""
    assert sorted(tiny_sweep.parent.rglob("*")) == before


@pytest.mark.parametrize("command", ["table", "status", "record", "ui", "compare", "import"])
def test_looking_at_a_root_that_is_not_there_makes_nothing(tmp_path: Path, command: str) -> None:
    result = abl(tmp_path, *COMMANDS[command], "--mlruns", "none")
    assert result.exit_code == (0 if command == "status" else 2)
    assert len(result.stderr.splitlines()) == (0 if command == "status" else 1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("port", ["-1", "65536", "99999", "x"])
def test_what_is_no_port_is_told(ran: tuple[Path, Result], port: str) -> None:
    result = abl(ran[0], "ui", "--port", port)
    assert result.exit_code == 2
    assert "--port" in result.stderr


def test_a_comparison_is_written_as_its_file_ends(ran: tuple[Path, Result], tmp_path: Path) -> None:
    words = ("compare", "tiny:model1", "tiny:original", "--out")
    begins = {"c.html": "<!doctype html>", "c.csv": "unit,", "c.md": "- A: ", "c.txt": "A: "}
    for name, begin in begins.items():
        assert abl(ran[0], *words, str(tmp_path / name)).exit_code == 0
        assert (tmp_path / name).read_text(encoding="utf-8").lower().startswith(begin.lower())
    result = abl(ran[0], *words, str(tmp_path / "c.html"), "--format", "csv")
    assert result.exit_code == 0
    assert (tmp_path / "c.html").read_text(encoding="utf-8").startswith("unit,")
    result = abl(ran[0], *words, str(tmp_path / "c.csv" / "below.html"))
    assert result.exit_code == 2
    assert "below.html: no folder" in result.stderr


def test_a_comparison_says_what_the_table_says(ran: tuple[Path, Result]) -> None:
    import csv

    row = list(csv.DictReader(abl(ran[0], "table", "tiny", "--format", "csv").stdout.splitlines()))
    stated = next(each for each in row if each["rule"] == "model1")
    store = Store(ran[0] / "mlruns/store")
    pair = compare(store, "tiny:model1", "tiny:original")
    shown = next(each for each in pair.metrics if each.metric == pair.primary)
    for name in ("difference", "low", "high"):
        key = name if name == "difference" else f"difference_{name}"
        assert getattr(shown, name) == pytest.approx(float(stated[key]), abs=1e-12)
    assert pair.p == float(stated["p"])


def test_an_arm_is_imported_and_forgotten(ran: tuple[Path, Result], tmp_path: Path) -> None:
    store = Store(ran[0] / "mlruns/store")
    frame = arm_predictions(store, outcome_named(store, "tiny"))
    part = frame[(frame["role"] == "test") & (frame["arm"] == frame["arm"].iloc[0])]
    theirs = tmp_path / "theirs.csv"
    part.rename(columns={"unit": "image"})[["image", "label", "p_0", "p_1"]].to_csv(
        theirs, index=False
    )
    before = abl(ran[0], "table", "tiny").stdout
    refused = abl(ran[0], "import", str(theirs), "--as", "../../x", "--into", "tiny")
    assert (refused.exit_code, "letters, digits" in refused.stderr) == (2, True)
    assert abl(ran[0], "import", str(theirs), "--as", "their ViT", "--into", "tiny").exit_code == 0
    assert "their ViT" in abl(ran[0], "table", "tiny").stdout
    for words in (("--forget", "x"), ("--forget", "their ViT", "--as", "y"), ("--as", "y"), ()):
        result = abl(ran[0], "import", *words, "--into", "tiny")
        assert result.exit_code == 2
        assert len(result.stderr.splitlines()) == 1
    assert abl(ran[0], "import", "--forget", "their ViT", "--into", "tiny").exit_code == 0
    assert abl(ran[0], "table", "tiny").stdout == before


def test_the_hint_for_mlflow_can_be_pasted(
    tiny_sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from types import SimpleNamespace

    from abl.cli.sweeping import _print_place

    outcome = SimpleNamespace(name="tiny")
    result = SimpleNamespace(folder=tiny_sweep, address="/x", outcome=outcome)
    _print_place(result, Path("my runs"))
    assert "abl ui tiny --mlruns 'my runs'" in capsys.readouterr().out


def test_the_version_is_printed(tmp_path: Path) -> None:
    result = abl(tmp_path, "--version")
    assert (result.exit_code, result.stdout) == (0, f"abl {metadata.version('abl')}\n")
    assert "Honest ablation" in abl(tmp_path, "--help").stdout


@pytest.mark.parametrize(
    ("what", "names"),
    [
        ("networks", ["cnn1", "plain4", "tiny_resnet", "resnet18"]),
        ("rules", ["original", "true", "average", "model1", "model2"]),
        ("metrics", ["acc", "auc", "f1", "sen", "spe"]),
        ("studies", ["two_step"]),
        ("axes", ["consensus", "network", "rule", "second", "threshold"]),
    ],
)
def test_lists_name_what_a_file_may_use(tmp_path: Path, what: str, names: list[str]) -> None:
    result = abl(tmp_path, "list", what)
    assert result.exit_code == 0
    assert set(names) <= {line.split()[0] for line in result.stdout.splitlines()}


def test_the_schema_is_printed_or_written(tmp_path: Path) -> None:
    printed = abl(tmp_path, "schema").stdout
    assert json.loads(printed)["title"] == "abl sweep"
    assert abl(tmp_path, "schema", "--out", "s.json").exit_code == 0
    assert (tmp_path / "s.json").read_text(encoding="utf-8") == printed


def test_a_good_data_set_is_described_and_a_bad_one_refused(tiny_folder: Path) -> None:
    result = abl(tiny_folder, "data", "check", "images/manifest.csv")
    assert result.exit_code == 0, result.output
    assert "48 images of 24 patients" in result.stdout
    assert "malignant: 24 images" in result.stdout
    manifest = tiny_folder / "images/manifest.csv"
    rows = manifest.read_text().splitlines()
    rows[3] = rows[3].replace("benign", "bening").replace("malignant", "malign")
    rows[5] = "png/none.png,benign,p,n"
    manifest.write_text("\n".join(rows) + "\n")
    (tiny_folder / "images/png/003a.png").write_bytes(b"broken")
    result = abl(tiny_folder, "data", "check", "images/manifest.csv")
    assert result.exit_code == 2
    assert ":4: " in result.stderr
    assert ":6: " in result.stderr
    assert result.stdout == ""
    assert abl(tiny_folder, "data", "check", "none.csv").exit_code == 2


def test_a_phantom_set_is_written_with_its_ceiling(tmp_path: Path) -> None:
    words = ("data", "phantom", "out", "--patients", "12", "--size", "32")
    result = abl(tmp_path, *words)
    assert result.exit_code == 0, result.output
    assert "auc" in result.stdout.lower()
    assert abl(tmp_path, "data", "check", "out/manifest.csv").exit_code == 0
    assert abl(tmp_path, *words).exit_code == 2


def test_record_catches_up_and_says_so(ran: tuple[Path, Result]) -> None:
    result = abl(ran[0], "record")
    assert result.exit_code == 0, result.output
    assert "stages: 5 written, 0 were there" in result.stdout
    assert "sweep tiny: 2 arms" in result.stdout
    again = abl(ran[0], "record")
    assert "stages: 0 written, 5 were there" in again.stdout


def test_an_unreachable_record_is_an_error_before_any_training(tiny_sweep: Path) -> None:
    result = abl(
        tiny_sweep.parent, "sweep", "tiny.yaml", "--executor", "local",
        "--record", "http://127.0.0.1:9",
    )  # fmt: skip
    assert result.exit_code == 2
    assert "nothing answers there ([Errno 111] Connection refused); start it, or" in result.stderr
    assert Store(tiny_sweep.parent / "mlruns/store").digests() == []


def interrupted(
    folder: Path, *words: str, after: int, by: signal.Signals
) -> subprocess.CompletedProcess[str]:
    """Runs `abl sweep`, sends a signal once some stages are in the store."""
    command = [sys.executable, "-c", "from abl.cli import main; main()", "sweep", "tiny.yaml"]
    child = subprocess.Popen(
        [*command, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Ctrl-C reaches the whole foreground group, SIGTERM the command
        start_new_session=True,
        # what runs in the background of a script ignores it, and so would its children
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    done = folder / "mlruns/store/done"
    deadline = time.monotonic() + 120
    while child.poll() is None and time.monotonic() < deadline:
        if done.is_dir() and len(list(done.iterdir())) >= after:
            if by is signal.SIGINT:
                os.killpg(child.pid, by)
            else:
                child.send_signal(by)
            break
        time.sleep(0.02)
    out, err = child.communicate(timeout=120)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


def goes_on_after_an_interrupt(
    folder: Path, prefix: str, *words: str, by: signal.Signals = signal.SIGINT
) -> None:
    (folder / "nets.py").write_text(NETS.format(prefix=prefix))
    small, large = f"{prefix}_small", f"{prefix}_large"
    write_sweep(
        folder,
        {
            "module": "nets.py",
            "train.network": small,
            "options.panel": [small, large],
            "train.epochs": 80,  # long enough that the rest is not finished when it is stopped
            "replicates.seeds": [0, 1],
        },
    )
    stopped = interrupted(folder, *words, after=2, by=by)
    assert stopped.returncode == 128 + by, stopped.stderr
    assert "the same command goes on from here" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    store = Store(folder / "mlruns/store")
    before = store.digests()
    assert 2 <= len(before) < 8
    files = {d: (store.folder(d) / "DONE.json").stat().st_mtime_ns for d in before}
    command = [sys.executable, "-c", "from abl.cli import main; main()", "sweep", "tiny.yaml"]
    again = subprocess.run(
        [*command, *words], cwd=folder, capture_output=True, text=True, check=False, timeout=300
    )
    assert again.returncode == 0, again.stderr
    assert len(Store(folder / "mlruns/store").digests()) == 8
    after = {d: (store.folder(d) / "DONE.json").stat().st_mtime_ns for d in before}
    assert after == files
    assert "model1" in again.stdout


def test_ctrl_c_exits_with_130_and_the_same_command_finishes(tiny_folder: Path) -> None:
    goes_on_after_an_interrupt(
        tiny_folder, "stopped_local", "--executor", "local", "--record", "off"
    )


def test_sigterm_while_a_command_loads_is_no_traceback(tmp_path: Path) -> None:
    code = (
        "import signal, abl.cli as cli; cli.load_commands = lambda words: signal.raise_signal(15)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; cli.main()", "plan", "tiny.yaml"],
        cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (143, "")


@pytest.mark.cluster
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_under_ray_is_told_and_the_same_command_finishes(
    tiny_folder: Path, by: signal.Signals
) -> None:
    words = ("--workers", "2", "--record", "off")
    goes_on_after_an_interrupt(tiny_folder, f"stopped_{by.name.lower()}", *words, by=by)


def test_list_network_shows_where_it_can_be_frozen(tmp_path):
    result = abl(tmp_path, "list", "network", "vgg16")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert "0 to 13 convolutions, or 'stage 1' to 'stage 5'" in lines[0]
    assert [line.split()[0] for line in lines[3:]] == [str(n) for n in range(14)]
    share = [float(line.split()[-1]) for line in lines[3:]]
    assert share == sorted(share)
    assert share[0] == 0
    assert 99 < share[13] < 100  # the fully connected layers are the rest
    wrong = abl(tmp_path, "list", "network", "vgg17")
    assert wrong.exit_code == 2
    assert "did you mean" in wrong.output
    assert abl(tmp_path, "list", "rules", "vgg16").exit_code == 2


@pytest.mark.parametrize("what", ["heads", "fusions"])
def test_list_says_what_each_is(tmp_path, what):
    lines = abl(tmp_path, "list", what).output.splitlines()
    assert len(lines) >= 3
    assert all(len(line.split(maxsplit=1)[1]) > 20 for line in lines)


def test_a_network_that_cannot_be_built_is_told_before_anything_is_trained(
    tiny_folder: Path,
) -> None:
    (tiny_folder / "bad.py").write_text(
        "from abl.nets.registry import network\n"
        "@network('cli_unbuilt')\n"
        "def bad(classes, channels, image_size):\n"
        "    raise ValueError('cannot be built')\n"
    )
    axes = {"rule": ["original"], "network": ["pooled3", "cli_unbuilt"]}
    write_sweep(tiny_folder, {"module": "bad.py", "axes": axes, "base": None})
    result = local(tiny_folder, "tiny.yaml")
    assert result.exit_code == 2
    assert "cli_unbuilt" in result.stderr
    assert "cannot be built" in result.stderr

"""What a sweep file of somebody else's cannot do, and what is never written down."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import Result

import abl
from abl.errors import InputError
from abl.nets.weights import read_state
from abl.record.mlflow_arms import sweep_note
from abl.record.mlflow_ui import reachable_from_outside
from abl.report.tables.render import latex_escaped, markdown_escaped
from commands import abl as command
from latex_check import check_latex
from tiny_sweeps import write_sweep, write_tiny_set

SCRIPT = "<script>alert(1)</script>"
CLASSES = [f"be{SCRIPT}", "ma|b & \\input{x} $y_1"]
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "aws-k3y-of-the-test",
    "MLFLOW_TRACKING_PASSWORD": "mlflow-w0rd-of-the-test",
    "ABL_SEARCH_STORAGE": "postgresql+psycopg://abl:search-w0rd-of-the-test@127.0.0.1:9/abl",
    "HF_TOKEN": "hf-t0ken-of-the-test",
}


def sweep(folder: Path, *words: str) -> Result:
    options = ["--executor", "local", "--mlruns", "runs"]
    return command(folder, "sweep", "tiny.yaml", *options, *words)


@pytest.fixture
def places(tmp_path: Path) -> Path:
    """A folder `inside` with the tiny set, beside files that it may not reach."""
    write_tiny_set(tmp_path / "inside/images")
    write_tiny_set(tmp_path / "outside", patients=10, seed=1)
    (tmp_path / "outside/net.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    (tmp_path / "outside/w.pt").write_bytes(b"x")
    inside = tmp_path / "inside"
    (inside / "linked").symlink_to(tmp_path / "outside")
    (inside / "linked.py").symlink_to(tmp_path / "outside/net.py")
    (inside / "images/linked").symlink_to(tmp_path / "outside")
    return inside


FROZEN = {
    "study": "frozen",
    "options": {},
    "axes": {"train.epochs": [2, 3]},
    "base": {"train.epochs": 2},
    "train.last_k": 1,
}
PLACES = ("../outside", "OUTSIDE", "linked")
MODULES = ("../outside/net.py", "OUTSIDE/net.py", "linked.py")
NAMES = ("../x", "a/b", "..", ".hidden", "a\\b", "a\n", "")
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    *(("data.manifest", {"data.manifest": f"{place}/manifest.csv"}) for place in PLACES),
    *(("weights", {"train.weights": f"{place}/w.pt"}) for place in PLACES),
    *(("module", {"module": name}) for name in MODULES),
    *(
        ("external", {**FROZEN, "external": [{"name": "B", "manifest": f"{place}/manifest.csv"}]})
        for place in PLACES
    ),
    ("data.set", {"data.manifest": None, "data.set": "../outside"}),
    *(("name", {"name": name}) for name in NAMES),
]


@pytest.mark.parametrize("at", range(len(SETTINGS)))
def test_a_sweep_file_reaches_nothing_outside_its_folder(places: Path, at: int) -> None:
    key, changes = SETTINGS[at]
    write_sweep(places, changes)
    path = places / "tiny.yaml"
    path.write_text(path.read_text().replace("OUTSIDE", str(places.parent / "outside")))
    before = sorted(places.parent.rglob("*"))
    result = sweep(places)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert line.startswith("abl: tiny.yaml:")
    assert key.split(".")[-1] in line
    # nothing was run or written, here or there
    assert sorted(places.parent.rglob("*")) == before


@pytest.mark.parametrize("column", ["image", "mask", "image2"])
@pytest.mark.parametrize("place", ["../../outside", "OUTSIDE", "linked"])
def test_a_manifest_reaches_nothing_outside_its_folder(
    places: Path, column: str, place: str
) -> None:
    manifest = places / "images/manifest.csv"
    rows = manifest.read_text().splitlines()
    name = f"{place}/png/000a.png".replace("OUTSIDE", str(places.parent / "outside"))
    if column == "image":
        rows[3] = rows[3].replace("png/001a.png", name)
    else:
        rows = [f"{rows[0]},{column}", *(f"{row}," for row in rows[1:])]
        rows[3] += name
    manifest.write_text("\n".join(rows) + "\n")
    write_sweep(places)
    result = sweep(places)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert f"manifest.csv:4: {column} '{name}'" in line
    assert not (places / "runs").exists()


def test_what_lies_elsewhere_is_read_when_the_command_line_allows_it(places: Path) -> None:
    write_sweep(places, {"data.manifest": "../outside/manifest.csv"})
    outside = str(places.parent / "outside")
    result = command(places, "plan", "tiny.yaml", "--data", outside)
    assert result.exit_code == 0, result.output


class Evil:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path):
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle", "named safetensors"])
def test_weights_are_never_unpickled(
    tiny_folder: Path, kind: str, recwarn: pytest.WarningsRecorder
) -> None:
    import pickle

    import torch

    made = tiny_folder / "made"
    state = {"2.weight": torch.zeros(3), "evil": Evil(made)}
    name = "w.safetensors" if kind == "named safetensors" else "w.pt"
    if kind == "pickle":
        (tiny_folder / name).write_bytes(pickle.dumps({"evil": Evil(made)}))
    else:
        zipped = kind != "legacy"
        torch.save(state, tiny_folder / name, _use_new_zipfile_serialization=zipped)
    write_sweep(tiny_folder, {"train.weights": name})
    result = sweep(tiny_folder)
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.splitlines()
    assert not recwarn.list  # they would be lines of their own
    assert "tiny.yaml:27: train.weights: w." in line
    with pytest.raises(InputError):
        read_state(tiny_folder / name)
    assert not made.exists()
    assert not (tiny_folder / "runs").exists()


UNSAFE = {"allow_pickle": True, "weights_only": False, "shell": True, "autoescape": False}
READERS = {
    "pickle.load", "pickle.loads", "joblib.load", "pd.read_pickle", "pandas.read_pickle",
    "yaml.load", "yaml.unsafe_load", "yaml.full_load", "torch.jit.load", "os.system", "eval",
    "dill.load", "cloudpickle.load", "cloudpickle.loads", "marshal.load", "marshal.loads",
    "shelve.open",
}  # fmt: skip


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(Path(abl.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                yield f"{path.name}:{node.lineno}", node


def test_no_reader_that_runs_what_it_reads_is_called() -> None:
    found = []
    for where, call in calls():
        name = ast.unparse(call.func)
        given = {each.arg: each.value for each in call.keywords}
        unsafe = [
            key
            for key, value in given.items()
            if key in UNSAFE and isinstance(value, ast.Constant) and value.value is UNSAFE[key]
        ]
        if name in READERS or unsafe or (name == "torch.load" and "weights_only" not in given):
            found.append(f"{where}: {ast.unparse(call)}")
    assert found == []


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A sweep over a manifest with markup in every name, run and recorded with secrets around."""
    folder = tmp_path_factory.mktemp("recorded")
    manifest = write_tiny_set(folder / "images")
    odd = "images/png/<b onerror=alert(1)>.png"
    (folder / "images/png/000a.png").rename(folder / odd)
    text = manifest.read_text().replace("png/000a.png", odd.removeprefix("images/"))
    text = text.replace("benign", CLASSES[0]).replace("malignant", CLASSES[1])
    manifest.write_text(text.replace("p001", f"p{SCRIPT}"))
    changes = {
        "data.classes": CLASSES,
        "title": f"{SCRIPT} | a & b \\input{{/etc/passwd}} [x](javascript:alert(1))",
    }
    write_sweep(folder, changes)
    with environment(SECRETS):
        result = command(folder, "sweep", "tiny.yaml", "--executor", "local", "--mlruns", "runs")
    assert result.exit_code == 0, result.output
    return folder, result


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class Tags(HTMLParser):
    """Tags of a page, and names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_pages_hold_no_tag_that_came_from_the_data(recorded: tuple[Path, Result]) -> None:
    pages = list((recorded[0] / "runs/store/sweeps").rglob("*.html"))
    assert {"report.html", "table.html"} <= {page.name for page in pages}
    for page in pages:
        text = page.read_text(encoding="utf-8")
        tags = Tags()
        tags.feed(text)
        assert tags.seen & {"iframe", "object", "embed", "link"} == set()
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
        policy = text.partition('Content-Security-Policy" content="')[2].partition('"')[0]
        for attributes, script in scripts:  # our own, which the page's policy names; or data
            digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
            assert "application/json" in attributes or f"sha256-{digest}" in unescape(policy)
            assert "alert(1)" not in script or "application/json" in attributes
        assert not [name for name in tags.attributes if name.startswith("on")]
        assert "&lt;script&gt;alert(1)" in text
        assert SCRIPT not in text


def test_figures_hold_no_tag_that_came_from_the_data(recorded: tuple[Path, Result]) -> None:
    drawings = list((recorded[0] / "runs").rglob("*.svg"))
    assert drawings
    assert not [each.name for each in drawings if "<script" in each.read_text(encoding="utf-8")]
    assert "figures and report could not be made" not in recorded[1].output


def test_markdown_and_latex_hold_what_was_written_as_text(recorded: tuple[Path, Result]) -> None:
    latex = command(recorded[0], "table", "tiny", "--format", "latex", "--mlruns", "runs").stdout
    check_latex(latex)
    assert r"\input" not in latex
    markdown = command(recorded[0], "table", "tiny", "--format", "md", "--mlruns", "runs").stdout
    assert "<script" not in markdown
    assert r"[x]\(javascript" in markdown
    rows = [line.replace(r"\|", "") for line in markdown.splitlines() if line.startswith("| ")]
    assert len({row.count("|") for row in rows}) == 1


def test_a_line_break_ends_no_row_and_no_caption() -> None:
    assert markdown_escaped("a\n\n| b |") == r"a \| b \|"
    assert latex_escaped("a\n\nb") == "a b"


def test_mlflow_gets_its_notes_as_text() -> None:
    outcome: Any = SimpleNamespace(
        name="x", title=f"{SCRIPT} ![p](http://x/y.png)", notes=(f"class {SCRIPT}\n\n# head",)
    )
    note = sweep_note(outcome)
    assert "<" not in note
    assert "![p]" not in note
    assert len(note.splitlines()) == 3


def test_no_secret_is_written_or_printed(recorded: tuple[Path, Result]) -> None:
    folder, result = recorded
    words = [value.split("abl:")[-1].split("@")[0] for value in SECRETS.values()]
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not [word for word in words if word.encode() in content], path
    assert not [word for word in words if word in result.output]


@pytest.mark.parametrize("scheme", ["http", "postgresql+psycopg"])
def test_the_password_of_a_record_is_not_printed(tiny_sweep: Path, scheme: str) -> None:
    uri = f"{scheme}://abl:w0rd-of-the-test@127.0.0.1:9/abl"
    words = ["sweep", "tiny.yaml", "--executor", "local", "--mlruns", "runs", "--record", uri]
    result = command(tiny_sweep.parent, *words)
    assert result.exit_code == 2, result.output
    assert "127.0.0.1" in result.stderr
    assert "w0rd-of-the-test" not in result.output
    left = [path for path in (tiny_sweep.parent / "runs").rglob("*") if path.is_file()]
    assert not [path for path in left if b"w0rd-of-the-test" in path.read_bytes()]


@pytest.mark.parametrize(
    ("host", "outside"), [("127.0.0.1", False), ("localhost", False), ("0.0.0.0", True)]
)
def test_whether_a_server_is_reachable_is_known(host: str, outside: bool) -> None:
    assert reachable_from_outside(host) is outside


class Running:
    """A server that has just been stopped."""

    url = "http://x:1"

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *exception: object) -> None:
        pass

    def wait(self) -> int:
        return 0


@pytest.mark.parametrize("host", [None, "0.0.0.0"])
def test_abl_ui_tells_whether_it_is_reachable_from_outside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    asked: list[str] = []

    def start(root: Path, port: int, host: str) -> Running:
        asked.append(host)
        return Running()

    monkeypatch.setattr("abl.record.mlflow_ui.start_ui", start)
    (tmp_path / "mlruns").mkdir()
    result = command(tmp_path, "ui", *(("--host", host) if host else ()))
    assert result.exit_code == 0, result.output
    assert asked == [host or "127.0.0.1"]
    assert ("(this machine only)" in result.stdout) == (host is None)
    assert ("warning: reachable from other machines" in result.stderr) == (host is not None)


def test_a_host_of_another_machine_is_told(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    for host in ("192.0.2.1", "no.such.host.invalid", "x" * 300):
        result = command(tmp_path, "ui", "--host", host)
        assert result.exit_code == 2
        (line,) = result.stderr.splitlines()
        assert line.startswith(f"abl: --host {host}: no address of this machine")
    assert list((tmp_path / "mlruns").iterdir()) == []


def test_a_module_is_code_and_is_run(tiny_folder: Path) -> None:
    # docs/security.md says so: read a module before you plan its sweep
    (tiny_folder / "net.py").write_text("from pathlib import Path\nPath('ran').touch()\n")
    write_sweep(tiny_folder, {"module": "net.py"})
    command(tiny_folder, "plan", "tiny.yaml")
    assert (tiny_folder / "ran").exists()

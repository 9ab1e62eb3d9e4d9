"""Every command of README and docs/: the program takes it, its files are there, and it runs.

Every command of a code block is run, in its order, in a folder that holds what its page names
(doc_world.py): at once what trains nothing, and, marked slow, all of a page, its sweeps as
`--smoke` shrinks them. What no test can run is listed with the reason (doc_commands.NOT_RUN).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
import typer

import commands
import doc_trained as trained
from abl.cli.every import app
from doc_commands import NOT_RUN, PAGES, ROOT, Command, all_commands, commands_of
from doc_world import MADE, named, write_world, written_by

OF_ABL = {page: [each for each in commands_of(page) if each.words[0] == "abl"] for page in PAGES}
SHOWN = [page for page, found in OF_ABL.items() if found]
# made for a page by what is trained first
PREPARED = {
    "study.yaml",
    "mine.yaml",
    "theirs.csv",
    "AB.csv",
    "CD.csv",
    "review_AB.csv",
}
QUICK = {
    ("doctor",), ("new",), ("init",), ("list",), ("schema",), ("decide",), ("audit",), ("data",),
    ("readers",),
}  # fmt: skip
# what typer raises of a word it does not take; the class has no public name
REFUSED: type[Exception] = typer.BadParameter.__mro__[1]
ENDINGS = (".csv", ".parquet", ".yaml", ".html", ".png", ".py", ".sh")


def ids(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def trains_nothing(command: Command) -> bool:
    """Whether it needs no sweep that was run."""
    words = named(command)
    if words[1:3] == ["data", "phantom"] or "--search" in words:  # half a minute
        return False
    return (
        tuple(words[1:2]) in QUICK and not trained.sweep_asked(command) and "mynet.py" not in words
    )


def taken(words: list[str]) -> None:
    """Reads a command as the program does, and carries nothing out."""
    command: Any = typer.main.get_command(app)
    context, rest = None, words
    while hasattr(command, "commands"):
        context = command.make_context(command.name, list(rest), parent=context)
        name, command, rest = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
    command.make_context(name, list(rest), parent=context)


def files_asked(command: Command) -> Iterator[str]:
    """Words of a command that are files which have to be there."""
    written = written_by(command)
    for word in named(command)[1:]:
        for part in word.split("="):
            if part.endswith(ENDINGS) and part not in written and "*" not in part:
                yield part


@pytest.mark.parametrize("page", SHOWN, ids=ids)
def test_the_program_takes_every_command(page: Path, tmp_path: Path) -> None:
    write_world(tmp_path, OF_ABL[page])
    with chdir(tmp_path):
        for command in OF_ABL[page]:
            try:
                taken(named(command)[1:])
            except REFUSED as error:
                pytest.fail(f"{command}: {error}")


@pytest.mark.parametrize("page", SHOWN, ids=ids)
def test_files_that_commands_name_are_there_or_written_before(page: Path, tmp_path: Path) -> None:
    write_world(tmp_path, OF_ABL[page])
    written: set[str] = set()
    for command in OF_ABL[page]:
        lacking = [
            name
            for name in files_asked(command)
            if not (tmp_path / name).exists() and name not in written | PREPARED
        ]
        assert lacking == [], str(command)
        written.update(written_by(command))


def expanded(folder: Path, words: Iterable[str]) -> list[str]:
    """Words as a shell gives them to the program: patterns of files are their names."""
    return [
        each
        for word in words
        for each in (sorted(path.name for path in folder.glob(word)) if "*" in word else [word])
    ]


def run_as_it_stands(folder: Path, command: Command, *more: str) -> None:
    """Runs a command; what it says it writes is taken away before."""
    for name in written_by(command):
        path = folder / name
        if path.is_dir() and not name.endswith("/"):
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    done = commands.abl(folder, *expanded(folder, named(command)[1:]), *more)
    assert done.exit_code == 0, f"{command}\n{done.output[-3000:]}"
    lacking = [name for name in written_by(command) if not (folder / name).exists()]
    assert lacking == [], f"{command}: wrote nothing"


def remade(folder: Path, page_commands: list[Command], at: int) -> None:
    """Makes anew what a command reads and what no command of its block has written."""
    command = page_commands[at]
    written = {
        name
        for each in page_commands[:at]
        if each.block == command.block
        for name in written_by(each)
    }
    for name in {part for word in named(command) for part in word.split("=")} & set(MADE):
        if name not in written and name not in written_by(command):
            path = folder / name
            if path.is_dir():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            shutil.rmtree(folder / "scans", ignore_errors=True)
            MADE[name](path)


@pytest.mark.parametrize("page", SHOWN, ids=ids)
def test_commands_that_train_nothing_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABL_MLRUNS", str(tmp_path / "mlruns"))
    write_world(tmp_path, OF_ABL[page])
    for at, command in enumerate(OF_ABL[page]):
        if trains_nothing(command) and not command.not_run:
            remade(tmp_path, OF_ABL[page], at)
            run_as_it_stands(tmp_path, command)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mlruns folder of all pages, so that a sweep is run once."""
    return tmp_path_factory.mktemp("docs") / "mlruns"


def prepare(folder: Path, root: Path, command: Command) -> None:
    """Runs and writes what a command needs and its page leaves to the reader."""
    words = named(command)
    name = trained.sweep_asked(command)
    if name and not list((root / "store/sweeps").glob(f"{name}/*/outcome.json")):
        trained.ran_by_name(folder, name)
    if name and words[1] == "diff":
        trained.write_versions(folder, name)
    if "theirs.csv" in words:
        trained.write_theirs(folder, trained.file_of(folder, name))
    if "--apply" in words and not (folder / "AB.csv").exists():
        trained.write_sheets(folder, root, name)
    if any("*" in word for word in words) and words[1] == "readers":
        trained.write_answers(folder, root, name)
    own = next((key for key in trained.OWN if f"{key}.yaml" in words), "")
    if own or "mynet.py" in words:
        trained.file_of(folder, own or "mine")
    if words[2:3] == ["sweep.yaml"]:
        trained.quick(folder / "sweep.yaml")


def paper_of(command: Command) -> str:
    """The paper's file that a command reads, without its ending; "" if it reads none."""
    paths = [Path(w) for w in named(command) if w.startswith("sweeps/papers/")]
    return next((path.stem for path in paths if path.suffix == ".yaml"), "")


def more_words(command: Command) -> list[str]:
    """What is added to a command: one look, one process, no record."""
    words = named(command)
    if words[1] == "sweep":
        return [*trained.LOCAL, *([] if "--live" in words else trained.OFF)]
    return ["--once"] if words[1] == "watch" else []


@pytest.mark.slow
@pytest.mark.parametrize("page", SHOWN, ids=ids)
def test_every_command_of_a_page_runs(
    page: Path, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ABL_MLRUNS", str(root))
    write_world(tmp_path, OF_ABL[page])
    trained.shrink_shipped(tmp_path)
    trained.small_networks(monkeypatch, sorted({p for c in OF_ABL[page] if (p := paper_of(c))}))
    for at, command in enumerate(OF_ABL[page]):
        if command.not_run:
            continue
        if stem := paper_of(command):
            trained.write_paper(tmp_path, stem)
        if trains_nothing(command):
            remade(tmp_path, OF_ABL[page], at)
        prepare(tmp_path, root, command)
        run_as_it_stands(tmp_path, command, *more_words(command))


def test_what_is_not_run_is_of_another_program_or_has_its_reason() -> None:
    left = [each for each in all_commands() if each.words[0] != "abl" and not each.not_run]
    assert [str(each) for each in left] == []


def test_every_reason_is_of_a_command_that_a_page_has() -> None:
    texts = [each.text for each in all_commands()]
    stale = [start for start in NOT_RUN if not any(text.startswith(start) for text in texts)]
    assert stale == []


def test_most_commands_are_run() -> None:
    found = [each for each in all_commands() if each.words[0] == "abl"]
    assert sum(not each.not_run for each in found) > 150
    assert sum(bool(each.not_run) for each in found) < 10


def test_what_is_wrong_is_found() -> None:
    for words in (["sweeep", "a.yaml"], ["table", "a", "--formt", "md"], ["data", "chek", "m.csv"],
                  ["sweep"], ["decide", "--threshold"]):  # fmt: skip
        with pytest.raises(REFUSED):
            taken(words)

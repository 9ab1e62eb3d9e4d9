"""What README and docs/ refer to is there: pages, headings, sweeps, commands, modules, imports."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from abl.cli.every import app

ROOT = Path(__file__).parents[1]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^()\s]+)\)")
CODE_FILE = re.compile(r"`((?:\w+/)+\w+\.py)`")
IMPORT = re.compile(r"^ *from (abl[\w.]*) import (\w+(?:, \w+)*)", re.MULTILINE)
SWEEP = re.compile(r"(?<![\w./])sweeps/[\w/]+\.yaml")
COMMAND = re.compile(r"(?<![\w./-])abl ((?:-*[a-z].*)?)")
NO_COMMANDS = {"stages"}  # `abl stages` is an experiment of the record


def ids(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_of(text: str) -> Iterator[str]:
    """Indented or fenced lines, and what stands between backticks elsewhere."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.partition("#")[0]
        else:
            yield from re.findall(r"`([^`]+)`", line)


def anchors_of(page: Path) -> set[str]:
    """Names of headings as they stand behind # in an address on GitHub."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def broken_links(page: Path) -> list[str]:
    found = LINK.findall(page.read_text(encoding="utf-8"))
    return [each for each in found if "://" not in each and not _leads_somewhere(page, each)]


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return target.exists() and (not anchor or anchor in anchors_of(target))


def unknown_commands(text: str) -> list[str]:
    """Commands of which the verb or an option is none of abl's."""
    commands = [match[1] for code in code_of(text) for match in COMMAND.finditer(code)]
    return [each for each in commands if each.split(" ")[0] not in NO_COMMANDS and _unknown(each)]


def _unknown(words: str) -> bool:
    # up to the next command of a shell line
    verb, *rest = re.split(r"[\s,;:.)]+(?=\s|$)|\s+", re.split(r"[|&>]", words)[0].strip())
    command: Any = typer.main.get_command(app)
    if not verb.startswith("-"):
        command = command.commands.get(verb)
        if rest and hasattr(command, "commands"):
            default = command.commands.get(getattr(command, "default_name", ""))
            command = command.commands.get(rest[0], default)
    if command is None:
        return True
    known = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    asked = {each.partition("=")[0] for each in rest if each.startswith("--")}
    return not asked <= known | {"--help", "--"}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_commands_and_their_options_exist(page: Path) -> None:
    assert unknown_commands(page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_sweeps_that_are_named_are_shipped(page: Path) -> None:
    named = set(SWEEP.findall(page.read_text(encoding="utf-8")))
    assert [each for each in sorted(named) if not (ROOT / each).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_files_of_code_that_are_named_exist(page: Path) -> None:
    named = CODE_FILE.findall(page.read_text(encoding="utf-8"))
    places = [ROOT, ROOT / "src" / "abl"]
    assert [each for each in named if not any((place / each).is_file() for place in places)] == []


def test_rooms_of_the_design_are_the_folders_of_the_package() -> None:
    text = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    table = text.partition("## Rooms")[2].partition("Imports go one way")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    rooms = {name for row in rows for name in re.findall(r"`(\w+)/`", row)}
    package = ROOT / "src" / "abl"
    assert rooms == {each.parent.name for each in package.glob("*/__init__.py")}


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_imports_that_are_shown_work(page: Path) -> None:
    for module, names in IMPORT.findall(page.read_text(encoding="utf-8")):
        for name in names.split(", "):
            assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md" or not page.is_file():
            continue
        reached.add(page)
        links = LINK.findall(page.read_text(encoding="utf-8"))
        waiting += [page.parent / each.partition("#")[0] for each in links if "://" not in each]
    assert [ids(page) for page in PAGES if page.resolve() not in reached] == []


def test_what_is_broken_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# One `heading`\n[a](page.md#one-heading) [b](#two) [c](none.md)\n\n"
        "`abl sweep FILE --smoke`, `abl sweeep FILE`, `abl data chek`\n\n"
        "    abl table NAME --formt md   # abl nothing\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["#two", "none.md"]
    found = unknown_commands(page.read_text(encoding="utf-8"))
    assert [each.strip() for each in found] == [
        "sweeep FILE",
        "data chek",
        "table NAME --formt md",
    ]

"""What the site has beside docs/: the pages and files of the repository that docs link to.

Links in docs/ are relative, as GitHub wants them, and some lead out of the folder: to sweep files,
to the scripts of clusters, to README, CHANGELOG and the like. Each of these becomes a page of the
site, and the links are turned to it as a page is read; so the site is whole without a network, and
no address of a repository is written into it. mkdocs calls the functions `on_...` (`hooks:`).
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import yaml
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
# pages outside docs/ -> their place in the site
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmark-scripts.md",
}
FOLDERS = {"cluster": "cluster-files/index.md", "sweeps": "sweeps/index.md"}
LANGUAGES = {".yaml": "yaml", ".csv": "text", ".json": "json", ".sh": "bash", ".py": "python"}
LINK = re.compile(r"(\]\()([^()\s]+)(\))")
_FENCE = re.compile(r"^(```|    )")


def shown_files() -> dict[str, str]:
    """Files that become a page of their own text -> its place, both below their roots."""
    found = [*(ROOT / "sweeps").rglob("*.yaml"), *(ROOT / "sweeps").rglob("*.csv")]
    found += [path for path in (ROOT / "cluster").iterdir() if path.is_file()]
    named = [path.relative_to(ROOT).as_posix() for path in sorted(found)]
    # a page of its own is called cluster
    return {name: f"{re.sub('^cluster/', 'cluster-files/', name)}.md" for name in named}


def place_of(path: str) -> str:
    """Where a path of the repository is in the site, relative to its root; "" if nowhere."""
    if path in PAGES:
        return PAGES[path]
    if path in FOLDERS:
        return FOLDERS[path]
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return shown_files().get(path, "")


def turned(text: str, source: str, page: str) -> str:
    """A page's text, its relative links as they are to be in the site.

    Args:
        text: Markdown.
        source: The page's path in the repository.
        page: Its path in the site.
    """

    def link(match: re.Match[str]) -> str:
        path, mark, anchor = match[2].partition("#")
        if "://" in path or not path:
            return match[0]
        place = place_of(posixpath.normpath(posixpath.join(posixpath.dirname(source), path)))
        if not place:  # left as it is, so that a strict build names it
            return match[0]
        new = posixpath.relpath(place, posixpath.dirname(page) or ".")
        return f"{match[1]}{new}{mark}{anchor}{match[3]}"

    lines = text.splitlines(keepends=True)
    return "".join(each if _FENCE.match(each) else LINK.sub(link, each) for each in lines)


def page_of_file(name: str) -> str:
    """Markdown of a page that shows a file whole."""
    path = ROOT / name
    body = path.read_text(encoding="utf-8")
    return f"# {name}\n\n```{LANGUAGES.get(path.suffix, 'text')}\n{body}```\n"


def page_of_sweeps() -> str:
    """Markdown of the list of all shipped sweeps."""
    rows = ["# Shipped sweeps", "", "`abl new NAME` writes one of them beside you.", ""]
    rows += ["| `abl new` | study | title |", "| --- | --- | --- |"]
    for path in sorted((ROOT / "sweeps").rglob("*.yaml"), key=lambda each: (len(each.parts), each)):
        name = path.relative_to(ROOT / "sweeps").as_posix()
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
        title = str(values.get("title", "")).replace("|", "\\|")
        rows.append(
            f"| [{name.removesuffix('.yaml')}]({name}.md) | `{values['study']}` | {title} |"
        )
    return "\n".join(rows) + "\n"


def page_of_scripts() -> str:
    """Markdown of the list of the files in cluster/."""
    names = [name.removeprefix("cluster/") for name in shown_files() if name.startswith("cluster/")]
    return (
        "\n".join(["# Files for clusters", "", *(f"- [{name}]({name}.md)" for name in names)])
        + "\n"
    )


def on_files(files: Files, config: Any) -> Files:
    """Adds the pages that do not lie in docs/."""
    made = {place: turned((ROOT / source).read_text("utf-8"), source, place)
            for source, place in PAGES.items()}  # fmt: skip
    made |= {place: page_of_file(name) for name, place in shown_files().items()}
    made |= {"sweeps/index.md": page_of_sweeps(), "cluster-files/index.md": page_of_scripts()}
    listed = {*PAGES.values(), "sweeps/index.md"}
    for place, text in made.items():
        page = File.generated(config, place, content=text)
        if place not in listed:  # reached by links, not by the navigation
            page.inclusion = page.inclusion.NOT_IN_NAV
        files.append(page)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Turns the links of the pages of docs/ that lead out of it."""
    place = page.file.src_uri
    if page.file.generated_by:
        return markdown
    return turned(markdown, f"docs/{place}", place)

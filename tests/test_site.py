"""The docs as a site: it is built, no link in it is broken, nothing of it comes from elsewhere; and
what each page of a study, the gallery and the pictures hold.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from PIL import Image

import browsed
from abl.app.shipped import shipped_sweeps
from abl.studies.contract import studies
from test_docs import LINK

ROOT = Path(__file__).parents[1]
STUDY_PAGES = sorted(set((ROOT / "docs/studies").glob("*.md")) - {ROOT / "docs/studies/README.md"})
PARTS = ["The question", "The sweep", "The picture", "Traps"]
# attributes that make a browser fetch something; a link that is clicked is none of them
FETCHED = {"script": "src", "img": "src", "source": "src", "iframe": "src", "link": "href",
           "object": "data", "embed": "src", "video": "src", "audio": "src"}  # fmt: skip
MOST_BYTES = 2_000_000


class Page(HTMLParser):
    """What a page links to, what it fetches, and the names that a link may end in."""

    def __init__(self, text: str):
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {key: value or "" for key, value in attrs}
        self.names |= {found[key] for key in ("id", "name") if found.get(key)}
        if tag == "a" and found.get("href"):
            self.links.append(found["href"])
        # what only says where a page is to be found is not fetched
        if found.get(FETCHED.get(tag, "-")) and found.get("rel") not in (
            "canonical",
            "next",
            "prev",
        ):
            self.fetched.append(found[FETCHED[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Fails if mkdocs finds anything to warn of."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}


def target_of(page: Path, link: str) -> tuple[Path, str]:
    """The file and the anchor that a relative link leads to."""
    parts = urlsplit(link)
    path = page.parent / unquote(parts.path) if parts.path else page
    return (path / "index.html" if path.is_dir() else path).resolve(), unquote(parts.fragment)


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        if path.name == "404.html":  # its links are from the root of a server
            continue
        for link in (*page.links, *page.fetched):
            if urlsplit(link).scheme or link.startswith("//"):
                continue
            target, anchor = target_of(path, link)
            known = pages[target].names if target in pages else set()
            if not target.is_file() or (anchor and target in pages and anchor not in known):
                broken.append(f"{path.relative_to(site)}: {link}")
    assert broken == []
    assert sum(len(page.links) for page in pages.values()) > 5000


def test_nothing_is_fetched_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    for path, page in pages.items():
        remote = [each for each in page.fetched if urlsplit(each).netloc or "://" in each]
        assert remote == [], path
    for path in site.rglob("*.css"):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"url\([\"']?(?:https?:)?//[^)]*|@import[^;]*", text) == [], path


def test_every_page_of_docs_is_in_the_navigation(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")}
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:")[2]
    named = {Path(each) for each in re.findall(r"([\w./-]+\.md)$", text, re.MULTILINE)}
    assert pages <= named


def test_code_and_pictures_of_the_repository_are_pages(site: Path) -> None:
    for name in shipped_sweeps():
        shown = (site / f"sweeps/{name}.yaml.html").read_text(encoding="utf-8")
        assert "yaml-language-server" in shown
    assert (site / "cluster-files/slurm.sh.html").is_file()
    assert not list(site.rglob("*.py"))  # scripts beside the pages are none of them
    assert "What it does" in (site / "index.html").read_text(encoding="utf-8")


def _hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_pages", ROOT / "docs/site_pages.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_links_out_of_docs_are_turned_and_unknown_ones_left_for_the_build_to_name() -> None:
    turned = _hook().turned
    text = "[a](../sweeps/threshold.yaml) [b](../README.md#data) [c](https://e.org) [d](../no.md)"
    assert turned(text, "docs/cluster.md", "cluster.md") == (
        "[a](sweeps/threshold.yaml.md) [b](index.md#data) [c](https://e.org) [d](../no.md)"
    )
    assert turned("[x](docs/data.md#dicom)", "README.md", "index.md") == "[x](data.md#dicom)"
    assert turned("    [x](docs/data.md)", "README.md", "index.md") == "    [x](docs/data.md)"


def test_every_study_has_a_page() -> None:
    # backbones is the older name of compare
    assert {path.stem for path in STUDY_PAGES} == studies().keys() - {"backbones"}


@pytest.mark.parametrize("page", STUDY_PAGES, ids=lambda path: path.stem)
def test_a_page_of_a_study_has_question_sweep_picture_and_traps(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(found)[:2] == PARTS[:2]
    assert set(PARTS) <= found.keys()
    assert "?" in found["The question"]
    assert re.findall(r"!\[[^]]+\]\(\.\./pictures/[\w.]+\)", found["The picture"])
    assert "abl sweep sweeps/" in found["The picture"]
    assert found["Traps"].count("\n- **") + found["Traps"].startswith("- **") >= 3


@pytest.mark.parametrize("page", STUDY_PAGES, ids=lambda path: path.stem)
def test_yaml_of_a_study_is_that_of_its_shipped_file(page: Path) -> None:
    sweep = part_named(page.read_text(encoding="utf-8"), "The sweep")
    blocks = re.findall(r"```yaml\n(.*?)```", sweep, re.DOTALL)
    (name,) = re.findall(r"\(\.\./\.\./(sweeps/\w+\.yaml)\)", sweep)[:1]
    shipped = (ROOT / name).read_text(encoding="utf-8")
    assert yaml.safe_load(shipped)["study"] == page.stem
    assert blocks
    assert [block for block in blocks if block not in shipped] == []


def part_named(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_each_picture_of_the_gallery_has_its_command_and_its_study() -> None:
    text = (ROOT / "docs/gallery.md").read_text(encoding="utf-8")
    found = re.findall(r"^!\[.+\]\(pictures/(\w+)\.png\)\n\n    (abl .+)$", text, re.MULTILINE)
    assert len(found) == text.count("![") > 12
    taken = _pictures()
    for picture, command in found:
        name, _, drawn = command.partition(".yaml")
        if drawn.strip("# ").endswith(".png"):
            sweep, figure = name.rpartition("/")[2], drawn.strip("# ").removesuffix(".png")
            assert picture == f"{sweep}_{figure}"
            assert figure in taken[sweep]
    shown = {picture for picture, _ in found}
    assert {f"{sweep}_{figure}" for sweep, figures in taken.items() for figure in figures} <= shown
    files = [(ROOT / f"sweeps/{name}.yaml").read_text(encoding="utf-8") for name in taken]
    assert {yaml.safe_load(text)["study"] for text in files} == studies().keys() - {"backbones"}


def _pictures() -> dict[str, tuple[str, ...]]:
    """Sweep -> figures that docs/pictures.py takes, read off the script."""
    text = (ROOT / "docs/pictures.py").read_text(encoding="utf-8")
    return dict(eval(text.partition("\nFIGURES = ")[2].partition("\n}\n")[0] + "}"))


def test_pictures_are_small_and_each_is_shown() -> None:
    pictures = sorted((ROOT / "docs").rglob("*.png"))
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    shown = {
        (page.parent / link).resolve()
        for page in pages
        for link in LINK.findall(page.read_text("utf-8"))
    }
    assert [path.name for path in pictures if path.resolve() not in shown] == []
    for path in pictures:
        with Image.open(path) as image:
            assert min(image.size) >= 200, path


@pytest.fixture
def served(site: Path) -> Iterator[str]:
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


class TestInABrowser:
    pytestmark = browsed.NEEDS_BROWSER

    def test_a_page_is_read_and_searched_and_asks_no_other_server(
        self, served: str, tmp_path: Path
    ) -> None:
        asked = "performance.getEntriesByType('resource').map(each => each.name)"
        results = "document.querySelectorAll('.md-search-result__item').length"
        with browsed.opened_browser(tmp_path) as browser:
            browser.driver.set_window_size(1280, 900)
            for page in ("index.html", "gallery.html", "studies/two_step.html"):
                browser.driver.get(f"{served}/{page}")
                browsed.waited(lambda: len(browser.sees(asked)) > 2, "nothing was loaded")
                wide = browser.sees("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, page
            browser.types("/")
            browser.types(*"consensus")
            browsed.waited(lambda: browser.sees(results) > 0, "nothing was found")
            remote = [each for each in browser.sees(asked) if not each.startswith(served)]
            assert remote == []
            assert browser.driver.get_log("browser") == []

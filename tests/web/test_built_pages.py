"""What is served: small, whole, and nothing in it that the content policy forbids."""

from __future__ import annotations

import gzip
import re
import runpy
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DIST = ROOT / "voicewatch" / "web" / "dist"
PAGES = ("index", "call", "agent", "dashboard", "replay", "rules")
LARGEST_PAGE_BYTES = 48_000
"""Scripts and styles of one page, gzipped: loads in under a second on a slow mobile line (400 kbit/s)."""


class Elements(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def elements(page: str) -> list[tuple[str, dict[str, str | None]]]:
    if not DIST.exists():
        pytest.skip("the pages are not built: scripts/build_pages")
    return Elements((DIST / f"{page}.html").read_text()).found


def files_of(page: str) -> list[Path]:
    """Everything the page loads before it shows anything."""
    names = [
        attributes.get("src") or attributes.get("href")
        for tag, attributes in elements(page)
        if tag in ("script", "link")
    ]
    return [DIST / name.lstrip("/") for name in names if name]


@pytest.mark.parametrize("page", PAGES)
def test_nothing_in_a_page_is_inline(page: str) -> None:
    for tag, attributes in elements(page):
        assert tag != "style"
        assert tag != "script" or attributes.get("src")
        assert not [name for name in attributes if name == "style" or name.startswith("on")]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_small_and_all_its_files_are_there(page: str) -> None:
    size = sum(
        len(gzip.compress(file.read_bytes())) for file in files_of(page) if file.suffix in (".js", ".css")
    )
    assert 0 < size < LARGEST_PAGE_BYTES


def test_nothing_is_loaded_from_elsewhere() -> None:
    if not DIST.exists():
        pytest.skip("the pages are not built: scripts/build_pages")
    for file in [*DIST.rglob("*.html"), *DIST.rglob("*.js"), *DIST.rglob("*.css")]:
        addresses = re.findall(r"https?://([\w.-]+)", file.read_text())
        # Names of the XML languages; nobody fetches them.
        assert set(addresses) <= {"www.w3.org"}, file.name


def test_pages_never_write_html() -> None:
    for file in (ROOT / "voicewatch" / "web" / "src").rglob("*.ts*"):
        forbidden = re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(", file.read_text()
        )
        assert not forbidden, file.name


def test_the_lock_file_names_no_registry() -> None:
    assert '"resolved"' not in (ROOT / "voicewatch" / "web" / "package-lock.json").read_text()


@pytest.mark.parametrize(
    ("version", "enough"),
    [
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v24.1.0", True),
        ("", False),
    ],
)
def test_which_node_will_do(version: str, enough: bool) -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "build_pages"))
    assert script["is_recent_enough"](version) is enough

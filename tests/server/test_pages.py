from __future__ import annotations

from pathlib import Path

import pytest

from voicewatch.server.pages import Pages


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    for name in ("index.html", "agent.html", "replay.html", "assets/app-1a2b.js", ".secret"):
        (built / name).write_text(name)
    (tmp_path / "outside.txt").write_text("outside")
    (built / "way-out").symlink_to(tmp_path / "outside.txt")
    return Pages(built)


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("/", "index.html"),
        ("/agent", "agent.html"),
        ("/dashboard", "index.html"),
        ("/calls/01ABC", "replay.html"),
        ("/assets/app-1a2b.js", "assets/app-1a2b.js"),
    ],
)
def test_pages_and_their_files(pages: Pages, path: str, served: str) -> None:
    page = pages.find(path)
    assert page is not None
    assert (page.status, page.body.decode()) == (200, served)
    assert ("immutable" in page.cache_control) is path.startswith("/assets/")


@pytest.mark.parametrize(
    "path",
    [
        "/outside.txt",
        "/../outside.txt",
        "/assets/../../outside.txt",
        "/way-out",
        "/.secret",
        "/assets",
        "/a\0b",
        "/assets/" + "b" * 5_000,
        "/x/y",
    ],
)
def test_nothing_else_is_there(pages: Pages, path: str) -> None:
    assert pages.find(path) is None


def test_unbuilt_pages_say_how_to_build_them(tmp_path: Path) -> None:
    page = Pages(tmp_path / "dist").find("/dashboard")
    assert page is not None
    assert page.status == 503
    assert b"scripts/run" in page.body

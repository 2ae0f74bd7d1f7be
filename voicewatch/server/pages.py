"""The built pages and their files, from one folder; what is outside of it does not exist."""

from __future__ import annotations

import html
import mimetypes
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PAGES = ("call", "agent", "dashboard", "rules")
"""Pages besides `/` and `/calls/{id}`."""

LONGEST_PATH = 200
"""Far below what a file system takes for a name."""

STYLE = """\
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; padding: 0 1rem;
       color: #1c2733; background: #fbfbfa; }
a { color: inherit; }
code { background: #ecebe7; padding: 0 .3em; border-radius: .2em; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .3rem .6rem;
       border-bottom: 1px solid #ddd9d2; vertical-align: top; }
@media (prefers-color-scheme: dark) { body { color: #e4e7ea; background: #14181d; }
       code { background: #2a3038; } td, th { border-color: #333a43; } }
"""


@dataclass(frozen=True)
class Page:
    body: bytes
    content_type: str
    cache_control: str
    status: int = 200


class Pages:
    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def find(self, path: str) -> Page | None:
        """The page or file at a URL's path; None if there is none."""
        name = _page_of(path)
        if name is not None:
            return self._html(name)
        return self._file(path)

    def _html(self, name: str) -> Page:
        for candidate in (f"{name}.html", f"{name}/index.html", "index.html"):
            if (file := self._folder / candidate).is_file():
                return Page(file.read_bytes(), "text/html; charset=utf-8", "no-cache")
        return Page(_not_built(), "text/html; charset=utf-8", "no-store", 503)

    def _file(self, path: str) -> Page | None:
        if "\0" in path or len(path) > LONGEST_PATH:
            return None
        file = (self._folder / path.lstrip("/")).resolve()
        if not file.is_relative_to(self._folder) or not file.is_file() or file.name.startswith("."):
            return None
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        if kind.startswith("text/") or kind == "application/javascript":
            kind += "; charset=utf-8"
        hashed = path.startswith("/assets/")
        return Page(file.read_bytes(), kind, "public, max-age=31536000, immutable" if hashed else "no-cache")


def _page_of(path: str) -> str | None:
    parts = [part for part in path.split("/") if part]
    if not parts:
        return "index"
    if len(parts) == 1 and parts[0] in PAGES:
        return parts[0]
    if len(parts) == 2 and parts[0] == "calls":
        return "replay"
    return None


def plain(title: str, content: str) -> bytes:
    """A page of our own without scripts; `content` is HTML."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(title)} · VoiceWatch</title>"
        '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/api/plain.css">'
        f"<body><main><h1>{html.escape(title)}</h1>{content}</main></body></html>"
    ).encode()


def routes_page(routes: Iterable[tuple[str, str, str]]) -> bytes:
    """A table of (method, path, summary)."""
    rows = "".join(
        f"<tr><td><code>{html.escape(method)}</code></td><td><code>{html.escape(path)}</code></td>"
        f"<td>{html.escape(summary)}</td></tr>"
        for method, path, summary in routes
    )
    return plain(
        "HTTP API",
        '<p>As a machine reads it: <a href="/api/openapi.json">OpenAPI</a>; every event:'
        ' <a href="/api/schema">JSON Schema</a>.'
        " WebSockets: <code>/api/events</code>, <code>/api/ai</code>.</p>"
        f"<table><tr><th>Method</th><th>Path</th><th></th></tr>{rows}</table>",
    )


def not_found() -> Page:
    """For people; programs get a problem."""
    body = plain("There is no such page", '<p>The address is not right. <a href="/">To the start</a></p>')
    return Page(body, "text/html; charset=utf-8", "no-store", 404)


def _not_built() -> bytes:
    return plain(
        "The pages are not built yet",
        "<p>The server runs; its pages have to be built once. Stop it and start it with"
        " <code>scripts/run</code>, which builds them.</p>",
    )

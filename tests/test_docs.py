"""What is generated is up to date."""

import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_protocol_page_says_what_the_events_are() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_protocol"))
    assert (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8") == script["document"](), (
        "run scripts/write_protocol"
    )

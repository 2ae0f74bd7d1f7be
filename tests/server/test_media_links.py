"""Calls go where the fewest are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from voicewatch.processes.messages import Message
from voicewatch.server.media_links import MediaLinks


@dataclass(frozen=True)
class Media:
    process: str
    epoch: str = "e"

    def tell(self, message: Message, payload: bytes = b"") -> bool:
        return True


def test_a_call_is_placed_on_the_least_loaded_process() -> None:
    links = MediaLinks()
    for name in ("media-0", "media-1", "media-2"):
        links.up(Media(name))
    placed = []
    for number in range(9):
        peer = links.place()
        links.assign(f"call-{number}", peer)
        placed.append(peer.process)
    assert Counter(placed) == {"media-0": 3, "media-1": 3, "media-2": 3}
    links.lose("call-1")
    links.lose("call-4")
    assert links.place().process == "media-1"
    links.down(links.place())
    assert links.place().process != "media-1"

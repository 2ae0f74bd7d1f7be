"""Rules that change while calls go on, what they did, and where their webhooks may go."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.server.test_desk import LEG, demand
from voicewatch.core.director import Director
from voicewatch.core.events import ActionDone, AlertCleared, AlertRaised, Role, ShadowRaised, UtteranceFinal
from voicewatch.core.rules import RuleBook
from voicewatch.record.journal import Journal, JournalFailed, Source
from voicewatch.server.desk import Desk
from voicewatch.server.process import new_id
from voicewatch.server.rules import Rules, UnusableRules, read_rules
from voicewatch.server.shown import Shown
from voicewatch.server.webhooks import Refused, Webhooks

SECRET = "shared with the desk"
RULE = """version = 1
[[rule]]
name = "NAME"
text = "Why."
headline = "It {times}"
severity = "watch"
reasons = ["angry"]
cooldown_s = 0
when = { words = ["human being", "blue"] }
"""


def rules(name: str, **more: str) -> str:
    lines = "\n".join(f"{key} = {value}" for key, value in more.items())
    return RULE.replace("NAME", name).replace("cooldown_s = 0", f"cooldown_s = 0\n{lines}")


@asynccontextmanager
async def desk_with(folder: Path, text: str) -> AsyncIterator[tuple[Desk, Rules, Path]]:
    path = folder / "rules.toml"
    path.write_text(text, encoding="utf-8")
    journal = await Journal.open(folder / "journal")
    book = read_rules(str(path))
    director = Director(
        book, offer_timeout_ms=20_000, wrap_up_ms=60_000, customer_grace_ms=15_000, new_id=new_id
    )
    desk = Desk(journal, director, Shown(), source=Source, record_failed=JournalFailed)
    desk_rules = Rules(desk, book, str(path))
    try:
        await desk.command(lambda director: director.start_call("c", seat_id="s"))
        await desk.report("media-0", "life", 1, LEG)
        yield desk, desk_rules, path
    finally:
        await journal.close()


def said(number: int, text: str) -> UtteranceFinal:
    return demand(number).model_copy(update={"text": text, "role": Role.CUSTOMER})


async def test_new_rules_judge_live_calls_and_repeat_nothing(tmp_path: Path) -> None:
    async with desk_with(tmp_path, rules("old")) as (desk, in_force, path):
        await desk.report("model", "m", 1, [said(1, "a human being")])
        path.write_text(rules("new"), encoding="utf-8")
        await in_force.look()
        assert [rule.name for rule in in_force.book.rules] == ["new"]
        facts = await desk.record.read("c")
        raised = [fact for fact in facts if isinstance(fact, AlertRaised)]
        assert [fact.rule for fact in raised] == ["old"]
        assert [fact.why for fact in facts if isinstance(fact, AlertCleared)] == ["the rule is gone"]
        await desk.report("model", "m", 2, [said(9, "the blue one")])
        raised = [fact for fact in await desk.record.read("c") if isinstance(fact, AlertRaised)]
        assert [fact.rule for fact in raised] == ["old", "new"]
        view = {one["name"]: one for one in in_force.view()["rules"]}
        assert view["new"]["counts"] == {"fired": 1}


async def test_rules_that_are_wrong_change_nothing_and_are_named(tmp_path: Path) -> None:
    async with desk_with(tmp_path, rules("old")) as (_, in_force, path):
        path.write_text(rules("new").replace("severity", "sevrity"), encoding="utf-8")
        await in_force.look()
        view = in_force.view()
        assert "rules.toml, line 6" in view["problem"]
        assert "did you mean severity?" in view["problem"]
        assert [rule["name"] for rule in view["rules"]] == ["old"]
        path.unlink()
        await in_force.look()
        assert "cannot read" in in_force.view()["problem"]
        path.write_text(rules("newer"), encoding="utf-8")
        await in_force.look()
        assert (in_force.view()["problem"], in_force.book.rules[0].name) == ("", "newer")
    with pytest.raises(UnusableRules, match="cannot read"):
        read_rules(str(tmp_path / "nowhere.toml"))


async def test_a_rule_on_trial_is_counted_and_seen_by_nobody(tmp_path: Path) -> None:
    async with desk_with(tmp_path, rules("trial", shadow="true")) as (desk, in_force, _):
        await desk.report("model", "m", 1, [said(1, "a human being")])
        assert in_force.view()["rules"][0]["counts"] == {"shadow": 1}
        assert desk.shown.call("c").alerts == {}
        assert any(isinstance(fact, ShadowRaised) for fact in await desk.record.read("c"))


# ---------------------------------------------------------------- webhooks


class Receiver:
    """An HTTP server on loopback that answers with the given statuses, one a request."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.requests.append((headers, body))
        status = self.statuses.pop(0) if self.statuses else 200
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@asynccontextmanager
async def delivering(folder: Path, receiver: Receiver, **more: Any) -> AsyncIterator[Desk]:
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with (
        server,
        desk_with(folder, rules("hooked", webhook=f'"http://127.0.0.1:{port}/h"')) as (desk, *_),
    ):
        webhooks = Webhooks(desk, SECRET, tries_after_s=(0, 0, 0), **more)
        running = asyncio.create_task(webhooks.run())
        try:
            yield desk
        finally:
            running.cancel()
            webhooks.close()
            with contextlib.suppress(asyncio.CancelledError):
                await running


async def done(desk: Desk) -> ActionDone:
    async with asyncio.timeout(8):
        while True:
            for fact in await desk.record.read("c"):
                if isinstance(fact, ActionDone):
                    return fact
            await asyncio.sleep(0.01)


async def test_a_webhook_is_signed_masked_tried_again_and_told(tmp_path: Path) -> None:
    receiver = Receiver(503, 200)
    async with delivering(tmp_path, receiver) as desk:
        final = said(1, "a human being, my card is 4111 1111 1111 1111")
        await desk.report("model", "m", 1, [final])
        assert (await done(desk)).ok
    (first, body), (second, again) = receiver.requests
    assert body == again
    assert first["voicewatch-delivery"] == second["voicewatch-delivery"]
    stamp, mac = (part.split("=", 1)[1] for part in second["voicewatch-signature"].split(","))
    expected = hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
    assert mac == expected
    event = json.loads(body)
    assert (event["specversion"], event["type"], event["data"]["rule"]) == (
        "1.0", "voicewatch.alert_raised", "hooked",
    )  # fmt: skip
    assert b"4111" not in body


async def test_a_webhook_that_is_refused_is_not_asked_again(tmp_path: Path) -> None:
    receiver = Receiver(403)
    async with delivering(tmp_path, receiver) as desk:
        await desk.report("model", "m", 1, [said(1, "a human being")])
        told = await done(desk)
    assert (told.ok, told.detail, len(receiver.requests)) == (False, "403", 1)


@pytest.mark.parametrize(
    ("url", "address", "private", "refused"),
    [
        ("https://desk.example.com/h", "93.184.216.34", False, ""),
        ("https://desk.example.com/h", "10.0.0.8", False, "private address"),
        ("https://desk.example.com/h", "10.0.0.8", True, ""),
        ("https://desk.example.com/h", "169.254.169.254", True, "special address"),
        ("https://desk.example.com/h", "::ffff:10.0.0.8", False, "private address"),
        ("https://desk.example.com/h", "fd00::1", False, "private address"),
        ("https://desk.example.com/h", "0.0.0.0", True, "special address"),
        ("http://localhost/h", "127.0.0.1", False, ""),
        ("http://localhost/h", "10.0.0.8", True, "plain http"),
    ],
)
async def test_a_webhook_goes_to_no_forbidden_address(
    tmp_path: Path, url: str, address: str, private: bool, refused: str
) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return [address]

    async with desk_with(tmp_path, rules("it")) as (desk, *_):
        webhooks = Webhooks(desk, SECRET, private_addresses=private, resolve=resolve)
        if refused:
            with pytest.raises(Refused, match=refused):
                await webhooks._target(url)
            return
        pinned, headers, extensions = await webhooks._target(url)
        assert address.split("::ffff:")[-1] in pinned
        assert (headers["host"], extensions["sni_hostname"]) == (url.split("/")[2],) * 2


def test_a_rule_book_with_a_webhook_is_read() -> None:
    assert RuleBook.parse(rules("it", webhook='"https://a.example/h"')).rules[0].webhook

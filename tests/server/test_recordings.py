"""Recordings over HTTP: heard, mixed, paused, erased. The recorder is a real one, fed as media feeds it."""

from __future__ import annotations

import asyncio
import contextlib
import io
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.record.test_recordings import TONE, tick
from tests.server.house import House, open_house, until
from voicewatch import app
from voicewatch.core.events import CallEnded, CallStarted, Role
from voicewatch.processes.link import Link
from voicewatch.processes.messages import CloseStream, OpenStream, Packets
from voicewatch.record import process as recorder
from voicewatch.record.journal import Journal
from voicewatch.server.erasing import EraseFailed

CARD = "my card is four one one one one one one one one one one one one one one one okay"
DIGITS = "one one one"


@dataclass
class Tape:
    """What media sends to the recorder."""

    link: Link
    tasks: list[asyncio.Task[None]]
    numbers: dict[str, int] = field(default_factory=dict)

    def say(self, call: dict[str, Any], start_ms: int, end_ms: int) -> None:
        seat_id = call["seat_id"]
        if seat_id not in self.numbers:
            number = self.numbers[seat_id] = len(self.numbers)
            self.link.tell(
                OpenStream(
                    stream=number,
                    call_id=call["call_id"],
                    seat_id=seat_id,
                    role=Role.CUSTOMER,
                    zero_mono_ns=0,
                )
            )
        for at_ms in range(start_ms, end_ms, 20):
            payload = tick(self.numbers[seat_id], at_ms, TONE[at_ms // 20 % len(TONE)])
            self.link.tell(Packets(count=1), payload)

    def close(self, call: dict[str, Any]) -> None:
        self.link.tell(CloseStream(stream=self.numbers[call["seat_id"]], at_ms=0))


@pytest.fixture
async def tape(house: House) -> AsyncIterator[Tape]:
    await house.end("recorder")
    link = Link(house.sockets.path("recorder"), "media-0", "e1")
    tasks = [
        asyncio.create_task(recorder.run(house.settings, house.sockets, "recorder")),
        asyncio.create_task(link.run()),
    ]
    await until(lambda: link.connected)
    await house.healthy()
    yield Tape(link, tasks)
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def ended(house: House, call: dict[str, Any]) -> None:
    """The call is over and its record complete."""
    feed = await house.watch(house.token("supervisor", "Watcher"))
    answer = await house.ask("POST", f"/api/calls/{call['call_id']}/end", house.token("supervisor", "Sue"))
    assert answer.status_code == 204
    await feed.fact("record_complete", call_id=call["call_id"])
    await feed.close()


def listener(house: House) -> str:
    return house.token("supervisor", "Listener", "recordings", "unmask")


def channels(data: bytes) -> Any:
    with wave.open(io.BytesIO(data)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, 2).T / 32_768


def loudness(samples: Any, start_ms: int, end_ms: int) -> float:
    return float(np.sqrt(np.mean(samples[start_ms * 16 : end_ms * 16] ** 2)))


async def test_a_pause_is_silent_in_recording_and_mix_and_its_numbers_are_never_written(
    house: House, tape: Tape
) -> None:
    call = await house.call()
    assert (await house.attach(call["seat_token"])).status_code == 201
    url = f"/api/calls/{call['call_id']}"
    supervisor = house.token("supervisor", "Sue")
    tape.say(call, 0, 2_000)
    paused = (
        await house.ask("POST", f"{url}/recording", supervisor, {"state": "paused", "reason": "card"})
    ).json()
    again = (await house.ask("POST", f"{url}/recording", supervisor, {"state": "paused"})).json()
    assert paused["state"] == again["state"] == "paused"
    view = (await house.ask("GET", url, supervisor)).json()
    assert view["recording"] == "paused"
    house.says(call, CARD)
    tape.say(call, 2_000, 4_000)
    await until_said(house, call)
    resumed = (await house.ask("POST", f"{url}/recording", supervisor, {"state": "recording"})).json()
    until_ms = resumed["at_ms"]
    assert until_ms > paused["at_ms"]
    assert (await house.ask("GET", url, supervisor)).json()["recording"] == "on"
    tape.say(call, 4_000, 6_000)
    tape.close(call)
    await ended(house, call)

    listed = (await house.ask("GET", f"{url}/recordings", listener(house))).json()
    (one,) = listed["recordings"]
    assert listed["mix"]["left"] == ["customer"]
    got = await house.ask("GET", f"{url}/recordings/{one['path']}", listener(house))
    assert (got.status_code, got.headers["content-type"], got.content[:4]) == (200, "audio/ogg", b"OggS")
    with av.open(io.BytesIO(got.content)) as container:
        assert sum(frame.samples for frame in container.decode(audio=0)) > 0
    part = await house.ask(
        "GET", f"{url}/recordings/{one['path']}", listener(house), None, range="bytes=100-299"
    )
    assert (part.status_code, part.content) == (206, got.content[100:300])
    assert part.headers["content-range"] == f"bytes 100-299/{len(got.content)}"
    beyond = await house.ask(
        "GET", f"{url}/recordings/{one['path']}", listener(house), None, range="bytes=9999999-"
    )
    assert beyond.status_code == 416

    mix = await house.ask("GET", f"{url}/recordings/mix?format=wav", listener(house))
    assert (mix.status_code, mix.headers["voicewatch-channels"]) == (200, "left=customer, right=heard")
    assert int(mix.headers["content-length"]) == len(mix.content) == 44 + 64 * listed["mix"]["duration_ms"]
    ogg = await house.ask("GET", f"{url}/recordings/mix", listener(house))
    assert (ogg.status_code, ogg.headers["content-type"], ogg.content[:4]) == (200, "audio/ogg", b"OggS")
    tail = await house.ask(
        "GET", f"{url}/recordings/mix?format=wav", listener(house), None, range="bytes=-640"
    )
    assert (tail.status_code, len(tail.content)) == (206, 640)

    facts = (await house.ask("GET", f"{url}/events", listener(house))).json()["events"]
    changes = [fact for fact in facts if fact["type"] == "recording_changed"]
    assert [(fact["state"], fact["by"], fact["reason"]) for fact in changes] == [
        ("paused", "supervisor-sue", "card"),
        ("recording", "supervisor-sue", ""),
    ]
    (said,) = [fact for fact in facts if fact["type"] == "utterance_final"]
    assert DIGITS not in str(said)
    assert "card" in said["text"]


async def until_said(house: House, call: dict[str, Any]) -> None:
    feed = await house.watch(house.token("supervisor", "Ear"))
    async with asyncio.timeout(8):
        while True:
            view = (await house.ask("GET", f"/api/calls/{call['call_id']}", house.token("supervisor"))).json()
            if view["utterances"]:
                break
            await asyncio.sleep(0.02)
    await feed.close()


async def test_what_is_said_in_a_pause_is_not_kept(house: House, tape: Tape) -> None:
    call = await house.call()
    url = f"/api/calls/{call['call_id']}"
    supervisor = house.token("supervisor", "Sue")
    at_ms = (await house.ask("POST", f"{url}/recording", supervisor, {"state": "paused"})).json()["at_ms"]
    tape.say(call, 0, at_ms + 4_000)
    await ended(house, call)
    (one,) = (await house.ask("GET", f"{url}/recordings", listener(house))).json()["recordings"]
    assert at_ms - 20 <= one["duration_ms"] < at_ms + 20
    answer = await house.ask("POST", f"{url}/recording", supervisor, {"state": "recording"})
    assert answer.status_code == 409


async def test_without_consent_there_is_nothing_to_pause(house: House, tape: Tape) -> None:
    call = await house.call(recording_consent=False)
    assert house.media.calls[call["call_id"]].record is False
    url = f"/api/calls/{call['call_id']}"
    supervisor = house.token("supervisor", "Sue")
    answer = await house.ask("POST", f"{url}/recording", supervisor, {"state": "paused"})
    assert (answer.status_code, answer.json()["title"]) == (409, "Not recorded")
    assert (await house.ask("GET", url, supervisor)).json()["recording"] == "off"
    stranger = house.token("agent", "Stranger")
    assert (await house.ask("POST", f"{url}/recording", stranger, {"state": "paused"})).status_code == 404
    await ended(house, call)
    assert (await house.ask("GET", f"{url}/recordings/mix", listener(house))).status_code == 404


async def test_an_erased_call_is_gone_and_only_that_is_known(house: House, tape: Tape) -> None:
    admin = house.token("admin", "Ada", "recordings", "unmask")
    call = await house.call(customer_name="Dana Miller")
    url = f"/api/calls/{call['call_id']}"
    tape.say(call, 0, 2_000)
    tape.close(call)
    live = await house.ask("POST", "/api/erase", admin, {"call_id": call["call_id"]})
    assert (live.status_code, live.json()["title"]) == (409, "Call not over")
    await ended(house, call)
    (one,) = (await house.ask("GET", f"{url}/recordings", admin)).json()["recordings"]
    feed = await house.watch(admin)
    done = await house.ask(
        "POST", "/api/erase", admin, {"call_id": call["call_id"], "reason": "asked for it"}
    )
    assert done.json() == {"erased": [call["call_id"]], "live": []}
    await until(lambda: feed.of("gone"))
    await feed.close()
    for path in ("", "/events", "/recordings", f"/recordings/{one['path']}", "/recordings/mix"):
        assert (await house.ask("GET", url + path, admin)).status_code == 404, path
    assert call["call_id"] not in str((await house.ask("GET", "/api/calls", admin)).json())
    assert not (house.data / "recordings" / call["call_id"]).exists()
    (audit,) = (await house.ask("GET", "/api/erasures", admin)).json()["erasures"]
    assert (audit["call_id"], audit["by"], audit["reason"]) == (call["call_id"], "admin-ada", "asked for it")
    assert (await house.ask("POST", "/api/erase", admin, {"call_id": "01K"})).status_code == 404
    both = await house.ask("POST", "/api/erase", admin, {"call_id": "x", "customer_id": "y"})
    assert both.status_code == 422


async def test_a_customer_is_erased_in_all_his_calls_but_the_one_he_is_in(house: House, tape: Tape) -> None:
    admin = house.token("admin", "Ada")
    first, other, live = [
        await house.call(attributes={"customer_id": who}) for who in ("c-17", "c-18", "c-17")
    ]
    for call in (first, other):
        await ended(house, call)
    done = await house.ask("POST", "/api/erase", admin, {"customer_id": "c-17"})
    assert done.json() == {"erased": [first["call_id"]], "live": [live["call_id"]]}
    rows = str((await house.ask("GET", "/api/calls", admin)).json())
    assert [call["call_id"] in rows for call in (first, other, live)] == [False, True, True]
    assert (await house.ask("POST", "/api/erase", admin, {"customer_id": "c-99"})).json()["erased"] == []


async def test_what_an_end_of_the_server_cut_off_of_an_erasure_is_finished(house: House, tape: Tape) -> None:
    call = await house.call()
    tape.say(call, 0, 1_000)
    tape.close(call)
    await ended(house, call)
    folder = house.data / "recordings" / call["call_id"]
    assert folder.exists()
    await house.end("front")
    journal = await Journal.open(house.data / "journal")
    await journal.erase(call["call_id"], "admin-ada")
    await journal.close()
    house.start_front()
    await house.healthy()
    assert not folder.exists()


async def test_calls_older_than_the_retention_are_erased_by_themselves(data: Path, run_dir: Path) -> None:
    now = datetime.now(UTC)
    journal = await Journal.open(data / "journal")
    for call_id, age in (("old", timedelta(days=31)), ("young", timedelta(days=29))):
        started = CallStarted(call_id=call_id, at=now - age)
        await journal.append([started, CallEnded(call_id=call_id, at_ms=60_000, reason="customer_hangup")])
    await journal.append([CallStarted(call_id="unfinished", at=now - timedelta(days=99))])
    await journal.close()
    async with open_house(data, run_dir, record={"retention_days": 30}) as house:
        admin = house.token("admin", "Ada")

        async def erasures() -> list[dict[str, str]]:
            found: list[dict[str, str]] = (await house.ask("GET", "/api/erasures", admin)).json()["erasures"]
            return found

        async with asyncio.timeout(8):
            while not await erasures():  # noqa: ASYNC110 (over HTTP)
                await asyncio.sleep(0.05)
            # It is marked first, so that an erasure that was cut short is ended later; then it goes.
            while (await house.ask("GET", "/api/calls/old", admin)).status_code != 404:  # noqa: ASYNC110 (over HTTP)
                await asyncio.sleep(0.05)
        assert [(one["call_id"], one["by"]) for one in await erasures()] == [("old", "retention")]
        assert (await house.ask("GET", "/api/calls/young", admin)).status_code == 200


async def test_the_command_erases_by_the_running_server_and_without_one(house: House, tape: Tape) -> None:
    calls = [await house.call(attributes={"customer_id": "c-17"}) for _ in range(2)]
    for call in calls:
        tape.say(call, 0, 1_000)
        tape.close(call)
        await ended(house, call)
    first, second = (call["call_id"] for call in calls)
    with app._held(house.data / app.LOCK):  # as a server does
        (house.data / app.LOCK).write_text(house.url)
        done = await asyncio.to_thread(app.erase, house.data, "asked", call_id=first)
        with pytest.raises(EraseFailed, match="no such call"):
            await asyncio.to_thread(app.erase, house.data, "asked", call_id="01K")
    assert done == {"erased": [first], "live": []}
    assert (await house.ask("GET", f"/api/calls/{first}", house.token("admin"))).status_code == 404
    await house.end("front")
    assert app.erase(house.data, "asked", customer_id="c-17") == {"erased": [second], "live": []}
    assert app.erase(house.data, "asked", customer_id="c-17") == {"erased": [], "live": []}
    folder = house.data / "recordings"
    assert not (folder / first).exists()
    assert not (folder / second).exists()
    everything = b"".join(path.read_bytes() for path in (house.data / "journal").iterdir())
    assert b"utterance" in everything
    assert b"c-17" not in everything
    house.start_front()
    await house.healthy()
    audits = (await house.ask("GET", "/api/erasures", house.token("admin"))).json()["erasures"]
    assert [(one["call_id"], one["reason"]) for one in audits] == [(first, "asked"), (second, "asked")]


async def test_a_recorder_that_comes_again_is_told_who_is_paused(house: House, tape: Tape) -> None:
    paused, running, forgotten = [await house.call() for _ in range(3)]
    supervisor = house.token("supervisor", "Sue")
    url = f"/api/calls/{paused['call_id']}/recording"
    assert (await house.ask("POST", url, supervisor, {"state": "paused"})).status_code == 200
    await ended(house, forgotten)
    pauses = house.data / "recordings" / "paused"
    for task in tape.tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    (pauses / paused["call_id"]).unlink()  # a disk that was put back
    for call in (running, forgotten):
        (pauses / call["call_id"]).touch()
    tape.tasks[0] = asyncio.create_task(recorder.run(house.settings, house.sockets, "recorder"))
    await until(lambda: [path.name for path in pauses.iterdir()] == [paused["call_id"]])

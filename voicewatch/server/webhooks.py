"""Webhooks of rules: an alert is told to an address of the deployment, signed, masked, tried again.

Sent is a CloudEvent (CloudEvents 1.0, structured mode, JSON) by POST. The header
`VoiceWatch-Signature: t=SECONDS,v1=HEX` holds HMAC-SHA256 of "SECONDS.BODY" under `judgement.webhook_secret`:
the receiver compares it and refuses old ones. `VoiceWatch-Delivery` is the same for every try of one alert.

An address must be https, or this machine's own loopback; what its name stands for is looked up once for a
try and that very address is called, so that a name cannot first be checked and then point elsewhere.
Private, link-local and other special addresses are refused unless `judgement.webhook_private_addresses`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import ipaddress
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import structlog

from voicewatch.core.events import ActionAsked, ActionDone, AlertRaised
from voicewatch.processes.problem import Problem
from voicewatch.server.desk import Desk, Stored

log = structlog.get_logger()

QUEUE_LIMIT = 256
"""Deliveries waiting. When full, the oldest is given up and said to have failed: newer alerts matter more."""
AT_ONCE = 4
TRIES_AFTER_S = (0.0, 1.0, 5.0, 20.0)
TIMEOUT_S = 5.0
KNOWN_ALERTS = 1_000
SHOWN_ATTRIBUTES = ("tier", "language", "topic")
"""Attributes that name no person; all others stay at home."""

TOLD = {"call_id", "at_ms", "alert_id", "rule", "severity", "reasons", "headline", "evidence"}
"""Fields of the alert that are sent."""
Resolve = Callable[[str, int], Any]


class Refused(Exception):
    """The address must not be called; the text says why."""


@dataclass(frozen=True)
class Delivery:
    """One alert for one address."""

    asked: ActionAsked
    body: bytes


async def addresses(host: str, port: int) -> list[str]:
    """What a name stands for. OSError if nothing."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=1)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def shown_of(attributes: Mapping[str, str]) -> dict[str, str]:
    return {key: attributes[key] for key in SHOWN_ATTRIBUTES if key in attributes}


class Webhooks:
    """Reads the desk; `run` delivers until cancelled."""

    def __init__(
        self,
        desk: Desk,
        secret: str,
        *,
        private_addresses: bool = False,
        resolve: Resolve = addresses,
        tries_after_s: Sequence[float] = TRIES_AFTER_S,
        wall_clock: Callable[[], float] = time.time,
        verify: Any = True,
    ) -> None:
        self.dropped = 0
        """Deliveries given up because too many waited."""
        self._desk = desk
        self._secret = secret
        self._private = private_addresses
        self._resolve = resolve
        self._tries_after_s = tries_after_s
        self._wall_clock = wall_clock
        self._verify = verify
        self._waiting: asyncio.Queue[Delivery] = asyncio.Queue()  # bounded by _add
        self._alerts: dict[str, AlertRaised] = {}
        self._telling: set[asyncio.Task[None]] = set()
        desk.readers.append(self._read)

    @property
    def waiting(self) -> int:
        return self._waiting.qsize()

    async def run(self) -> None:
        """Delivers, a few at a time."""
        async with (
            httpx.AsyncClient(
                timeout=TIMEOUT_S, follow_redirects=False, trust_env=False, verify=self._verify
            ) as client,
            asyncio.TaskGroup() as tasks,
        ):
            for _ in range(AT_ONCE):
                tasks.create_task(self._deliver_all(client))

    # ------------------------------------------------------------ taking

    def _read(self, stored: Sequence[Stored]) -> None:
        for one in stored:
            if isinstance(one.fact, AlertRaised):
                self._alerts[one.fact.alert_id] = one.fact
                if len(self._alerts) > KNOWN_ALERTS:
                    del self._alerts[next(iter(self._alerts))]
            elif isinstance(one.fact, ActionAsked) and one.fact.action == "webhook":
                self._add(one.fact)

    def _add(self, asked: ActionAsked) -> None:
        alert = self._alerts.get(asked.alert_id)
        if alert is None:
            return
        if self._waiting.qsize() >= QUEUE_LIMIT:
            self.dropped += 1
            self._tell(self._waiting.get_nowait().asked, False, "too many webhooks were waiting")
        self._waiting.put_nowait(Delivery(asked, self._body(alert)))

    def _body(self, alert: AlertRaised) -> bytes:
        """Evidence is masked where it is made; nothing else here holds words of the call."""
        shown = self._desk.shown
        attributes = shown.call(alert.call_id).attributes if shown.has(alert.call_id) else {}
        at = alert.at or datetime.fromtimestamp(self._wall_clock(), UTC)
        data = alert.model_dump(mode="json", include=TOLD)
        event = {
            "specversion": "1.0",
            "id": alert.alert_id,
            "source": f"/api/calls/{alert.call_id}",
            "type": "voicewatch.alert_raised",
            "time": at.isoformat(),
            "datacontenttype": "application/json",
            "data": data | {"attributes": shown_of(attributes)},
        }
        return json.dumps(event, ensure_ascii=False).encode()

    # ------------------------------------------------------------ delivering

    async def _deliver_all(self, client: httpx.AsyncClient) -> None:
        while True:
            delivery = await self._waiting.get()
            ok, detail = await self._deliver(client, delivery)
            self._tell(delivery.asked, ok, detail)

    async def _deliver(self, client: httpx.AsyncClient, delivery: Delivery) -> tuple[bool, str]:
        """Whether it was taken, and the last answer."""
        detail = ""
        for after_s in self._tries_after_s:
            await asyncio.sleep(after_s)
            try:
                status = await self._post(client, delivery)
            except Refused as error:
                return False, str(error)
            except (OSError, httpx.HTTPError) as error:
                detail = type(error).__name__
                continue
            if status < 300:
                return True, str(status)
            detail = str(status)
            if status < 500 and status != 429:
                return False, detail  # asking again would not change its mind
        return False, detail

    async def _post(self, client: httpx.AsyncClient, delivery: Delivery) -> int:
        url, headers, extensions = await self._target(delivery.asked.value)
        signed_at = str(int(self._wall_clock()))
        mac = hmac.new(self._secret.encode(), f"{signed_at}.".encode() + delivery.body, hashlib.sha256)
        headers |= {
            "content-type": "application/cloudevents+json; charset=utf-8",
            "voicewatch-signature": f"t={signed_at},v1={mac.hexdigest()}",
            "voicewatch-delivery": delivery.asked.alert_id,
        }
        async with client.stream(
            "POST", url, content=delivery.body, headers=headers, extensions=extensions
        ) as answer:
            return answer.status_code  # its body is of no interest, and may be endless

    async def _target(self, url: str) -> tuple[str, dict[str, str], dict[str, Any]]:
        """The URL with a checked address in place of its name; OSError if the name stands for nothing."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found = await self._resolve(host, port)
        for address in found:
            self._check(address, parts.scheme)
        if not found:
            raise OSError(f"{host} stands for no address")
        literal = f"[{found[0]}]" if ":" in found[0] else found[0]
        pinned = urlunsplit((parts.scheme, f"{literal}:{port}", parts.path or "/", parts.query, ""))
        return pinned, {"host": parts.netloc}, {"sni_hostname": host}

    def _check(self, written: str, scheme: str) -> None:
        address: Any = ipaddress.ip_address(written.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback:
            return
        if scheme != "https":
            raise Refused("plain http reaches only this machine itself")
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise Refused(f"{address} is a special address")
        if not address.is_global and not self._private:
            raise Refused(
                f"{address} is a private address; judgement.webhook_private_addresses = true allows those"
            )

    def _tell(self, asked: ActionAsked, ok: bool, detail: str) -> None:
        if not ok:
            log.warning("webhook_failed", rule=asked.rule, call_id=asked.call_id, detail=detail)
        task = asyncio.ensure_future(self._state(asked, ok, detail))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _state(self, asked: ActionAsked, ok: bool, detail: str) -> None:
        done = ActionDone(
            call_id=asked.call_id,
            at_ms=asked.at_ms,
            alert_id=asked.alert_id,
            rule=asked.rule,
            action="webhook",
            ok=ok,
            detail=detail,
        )
        with contextlib.suppress(Problem):  # the journal cannot be written: the log has it
            await self._desk.state(done)

    def close(self) -> None:
        for task in self._telling:
            task.cancel()

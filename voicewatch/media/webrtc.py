"""The only module that knows aiortc and aioice: signalling, ICE and DTLS by them, media by us.

aiortc answers the offer and does the handshakes. Once connected, its sockets and SRTP sessions are taken
over: our engine reads the sockets itself and hands back what is not media (STUN, DTLS). That uses private
names; all of them are in `PRIVATE_NAMES`, aiortc is pinned exactly, and a contract test looks each one up on
a living connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from ipaddress import ip_address
from math import inf
from typing import Any

import aioice.ice
import structlog
from aioice.ice import CandidatePair
from aioice.stun import Class, TransactionError
from aiortc import (
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpCodecCapability,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.sdp import candidate_from_sdp

from voicewatch.media.dtmf import DigitWriter
from voicewatch.media.offers import (
    BadOffer,
    CandidatePolicy,
    digits_type,
    screen_fragment,
    screen_offer,
    takes_keys,
    with_digits,
)
from voicewatch.media.srtp import Seal, Slot, Srtp
from voicewatch.processes.problem import Problem

log = structlog.get_logger(__name__)

CONNECT_LIMIT_S = 15
MAX_FLIGHTS = 16
"""DTLS datagrams of one peer that wait for a lull; more are dropped, as by a network, and sent again."""
CONSENT_ENDS_S = 30.0
"""After the last answer (RFC 7675 §5.1). That a leg is lost is known by its packets, long before."""
CONSENT_S, SILENT_CONSENT_S = 5.0, 1.0
"""How often a peer is asked whether he is there; one whose packets do not show it more often. A question and
its answer cost as much as six packets."""
_HEARD_S = 2.0
"""Packets so old show that he is there; a leg tells of them once a second."""

CHECKS_TO_STRANGERS = 8
"""STUN requests that one offer may draw to addresses from which nothing authentic has come. A peer that can
be reached answers one of them, or finds us by itself: his checks are answered whatever was spent."""

PRIVATE_NAMES = {
    "aioice.ice": ("get_host_addresses",),
    "aioice.ice.Connection": (
        "_check_list",
        "_nominated",
        "_protocols",
        "_query_consent_task",
        "build_request",
        "connect",
        "data_received",
        "query_consent",
        "remote_password",
    ),
    "aioice.ice.StunProtocol": ("transport", "datagram_received", "request", "send_stun"),
    "aiortc.RTCDtlsTransport": ("_rx_srtp", "_tx_srtp"),
    "aiortc.RTCIceTransport": ("_connection",),
    "aiortc.RTCRtpTransceiver": ("_codecs",),
    "aiortc.RTCRtpSender": ("_ssrc", "send"),
    "aiortc.RTCRtpReceiver": ("receive",),
    "asyncio datagram transport": ("_sock",),
    "asyncio event loop": ("_remove_reader",),
}
"""Owner -> names used that its authors may change without notice."""

_OPUS = RTCRtpCodecCapability(mimeType="audio/opus", clockRate=48_000, channels=2)
_OPUS_WANTED = {"minptime": 10, "useinbandfec": 1, "maxplaybackrate": 16_000, "stereo": 0}
"""RFC 7587 §6.1: what we like to be sent. Nothing above 8 kHz is used, so nothing above is asked for."""


Lull = Callable[[], Awaitable[None]]
"""Waits for a moment in which milliseconds of work make no tick late."""


class MediaPath:
    """A connected peer's sockets and keys. Everything here is for the engine's tick: nothing waits."""

    __slots__ = ("_address", "_consent", "_ice", "_keys", "_sendto", "_srtp", "cname", "digits_type",
                 "listens", "payload_type", "seal", "sockets", "speaks", "ssrc", "takes_keys", "unprotect",
                 "unprotect_rtcp")  # fmt: skip

    def __init__(
        self,
        pc: RTCPeerConnection,
        consent: Consent,
        cname: bytes,
        digits_type: int | None,
        *,
        takes_keys: bool,
    ) -> None:
        self._consent = consent
        transceiver = pc.getTransceivers()[0]
        dtls = transceiver.sender.transport
        self._ice = dtls.transport._connection
        self._srtp = srtp = Srtp(dtls._rx_srtp, dtls._tx_srtp)
        self.seal: Seal = srtp.seal
        self.unprotect, self.unprotect_rtcp = srtp.unprotect, srtp.unprotect_rtcp
        self.ssrc: int = transceiver.sender._ssrc
        self.payload_type = _payload_type(transceiver)
        self.digits_type = digits_type
        self.takes_keys = takes_keys
        self._keys: DigitWriter | None = None
        self.cname = cname
        self.speaks = transceiver.currentDirection in ("recvonly", "sendrecv")
        """The peer sends to us."""
        self.listens = transceiver.currentDirection in ("sendonly", "sendrecv")
        loop = asyncio.get_running_loop()
        self.sockets: list[tuple[socket.socket, Callable[[bytes, Any], None]]] = []
        for protocol in self._ice._protocols:
            sock = _socket(protocol)
            loop._remove_reader(sock.fileno())  # type: ignore[attr-defined]
            self.sockets.append((sock, protocol.datagram_received))
        self.follow_nomination()

    def follow_nomination(self) -> None:
        """A peer may nominate another pair later (roaming between interfaces): send where it leads now."""
        pair = self._ice._nominated.get(1)
        if pair is not None:
            self._sendto, self._address = _socket(pair.protocol).sendto, pair.remote_addr

    def send(self, sealed: bytes) -> bool:
        """False when the system would not take it (buffer full, no route): a packet lost, as on the way."""
        try:
            return self._sendto(sealed, self._address) > 0
        except OSError:
            return False

    def heard(self, ago_ms: float) -> None:
        """His last packet of media came so long ago."""
        self._consent.heard_s = asyncio.get_running_loop().time() - ago_ms / 1000

    @property
    def keys_busy(self) -> bool:
        return self._keys is not None

    def send_keys(self, digits: str) -> bool:
        """From now on these keys are sent in the place of voice; False if the peer takes none."""
        if self.digits_type is None or not self.takes_keys:
            return False
        self._keys = keys = DigitWriter(self.digits_type)
        keys.write(digits)
        self.seal = partial(self._seal_key, keys)
        return True

    def _seal_key(self, keys: DigitWriter, slot: Slot, size: int) -> bytes:
        """A key in the place of the packet."""
        size = slot.put(keys.instead_of(slot.bytes[:size]))
        if not keys.is_busy:
            self._keys, self.seal = None, self._srtp.seal
        return self._srtp.seal(slot, size)

    def send_rtcp(self, packet: bytes) -> bool:
        slot = Slot()
        sealed = self._srtp.seal_rtcp(slot, slot.put(packet))
        return bool(sealed) and self.send(sealed)


class Consent:
    """Asks a peer now and then whether he still wants what he is sent (RFC 7675), in the place of aioice."""

    def __init__(self, ice: Any) -> None:
        self._ice = ice
        self.heard_s = -inf
        """When his last packet came, by the event loop's clock."""

    async def ask(self) -> None:
        """Until he has not answered for CONSENT_ENDS_S; then the connection is closed."""
        clock = asyncio.get_running_loop().time
        asked_s = answered_s = clock()
        while clock() - answered_s < CONSENT_ENDS_S:
            await asyncio.sleep(SILENT_CONSENT_S * random.uniform(0.8, 1.2))
            if clock() - self.heard_s < _HEARD_S and clock() - asked_s < CONSENT_S * random.uniform(0.8, 1.2):
                continue
            asked_s = clock()
            for pair in self._ice._nominated.values():
                with contextlib.suppress(TransactionError):
                    await pair.protocol.request(
                        self._ice.build_request(pair, nominate=False),
                        pair.remote_addr,
                        integrity_key=self._ice.remote_password.encode(),
                        retransmissions=0,
                    )
                    answered_s = clock()
        self._ice._query_consent_task = None  # else `close` would wait for this task
        await self._ice.close()


class Courtesy:
    """Bounds what an offer's addresses are sent before anything authentic came from them."""

    def __init__(self, ice: Any) -> None:
        self._ice = ice
        self._left = CHECKS_TO_STRANGERS
        self._known: set[Any] = set()

    def send(self, send: Callable[[Any, Any], None], message: Any, address: Any) -> None:
        """In the place of a protocol's `send_stun`. A success response goes to who authenticated himself."""
        if message.message_class == Class.RESPONSE:
            self._known.add(address)
        elif message.message_class == Class.REQUEST and not self._is_known(address):
            if self._left == 0:
                return
            self._left -= 1
        send(message, address)

    def _is_known(self, address: Any) -> bool:
        """He asked with our password, or answered with his."""
        return address in self._known or any(
            pair.remote_addr == address and pair.state is CandidatePair.State.SUCCEEDED
            for pair in self._ice._check_list
        )


class Connection:
    """One peer connection: `on_connected(path)` is called once at most, `on_closed()` if it ends alone."""

    def __init__(
        self,
        policy: CandidatePolicy,
        lull: Lull,
        on_connected: Callable[[MediaPath], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._pc: RTCPeerConnection | None = None
        self._policy = policy
        self._lull = lull
        self._candidates = 0
        self._consent: Consent | None = None
        self._digits_type: int | None = None
        self._takes_keys = False
        self._flights: set[asyncio.Task[None]] = set()
        self._on_connected, self._on_closed = on_connected, on_closed
        self._is_connected = self._is_closed = False
        self._limit = asyncio.get_running_loop().call_later(CONNECT_LIMIT_S, self._give_up)

    async def answer(self, offer: str) -> str:
        """The SDP answer, all our candidates in it. Raises Problem."""
        try:
            screened = screen_offer(offer, self._policy)
        except BadOffer as error:
            raise _bad_sdp(str(error)) from None
        self._candidates = screened.candidates
        await self._lull()
        if self._is_closed:
            raise _gone()
        pc = self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("connectionstatechange", lambda: self._state_changed(pc))
        try:
            return await self._negotiate(pc, screened.sdp)
        except Exception as error:  # aiortc's parser raises what it likes on bad input (17 kinds were found)
            if self._is_closed:
                raise _gone() from None
            words = str(error)[:200] or "malformed attribute"
            raise _bad_sdp(f"the offer cannot be parsed ({type(error).__name__}: {words})") from None

    async def _negotiate(self, pc: RTCPeerConnection, offer: str) -> str:
        transceiver = pc.addTransceiver("audio", direction="sendrecv")
        transceiver.setCodecPreferences([_OPUS])
        await self._lull()
        await pc.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        transceiver._codecs[0].parameters = dict(_OPUS_WANTED)
        setattr(transceiver.sender, "send", _never_start)  # noqa: B010 - replaces a method of a stranger
        setattr(transceiver.receiver, "receive", _never_start)  # noqa: B010
        await self._lull()
        answer = await pc.createAnswer()
        ice = transceiver.sender.transport.transport._connection
        self._connect_slowly(ice)
        await self._lull()
        await pc.setLocalDescription(answer)
        self._consent = consent = Consent(ice)
        setattr(ice, "query_consent", consent.ask)  # noqa: B010 - as above
        courtesy = Courtesy(ice)
        for protocol in ice._protocols:
            careful = partial(courtesy.send, protocol.send_stun)
            setattr(protocol, "send_stun", careful)  # noqa: B010 - replaces a method of a stranger
        self._digits_type, self._takes_keys = digits_type(offer), takes_keys(offer)
        return with_digits(str(pc.localDescription.sdp), offer)

    def _connect_slowly(self, ice: Any) -> None:
        """What costs milliseconds of arithmetic is begun in a lull: checks, keys, each flight of DTLS."""
        received, connect = ice.data_received, ice.connect

        async def later(data: bytes, component: int) -> None:
            await self._lull()
            received(data, component)

        def take(data: bytes, component: int) -> None:
            if len(self._flights) < MAX_FLIGHTS:
                flight = asyncio.get_running_loop().create_task(later(data, component))
                self._flights.add(flight)
                flight.add_done_callback(self._flights.discard)

        async def connect_in_lulls() -> None:
            await self._lull()
            if self._is_closed:
                raise ConnectionError("closed before it began")
            await connect()
            await self._lull()

        ice.data_received, ice.connect = take, connect_in_lulls

    async def trickle(self, fragment: str) -> None:
        """Add candidates of an SDP fragment. Raises Problem. The end of candidates needs no action."""
        try:
            screened = screen_fragment(fragment, self._policy, self._candidates)
        except BadOffer as error:
            raise _bad_sdp(str(error)) from None
        self._candidates += len(screened.candidates)
        for text in screened.candidates:
            candidate = candidate_from_sdp(text)
            candidate.sdpMLineIndex = 0
            await self._lull()
            if self._pc is None or self._is_closed:
                raise _gone()
            await self._pc.addIceCandidate(candidate)

    async def close(self) -> None:
        """Say goodbye and free sockets and tasks. May be called twice; on_closed is not called any more."""
        self._is_closed = True
        self._limit.cancel()
        for flight in self._flights:
            flight.cancel()
        if self._pc is not None:
            await self._pc.close()

    def _state_changed(self, pc: RTCPeerConnection) -> None:
        state = pc.connectionState
        if state == "connected" and not self._is_connected and not self._is_closed:
            self._is_connected = True
            self._limit.cancel()
            cname = _cname(pc.localDescription.sdp)
            assert self._consent is not None
            path = MediaPath(pc, self._consent, cname, self._digits_type, takes_keys=self._takes_keys)
            self._on_connected(path)
        elif state in ("failed", "closed"):
            self._give_up()

    def _give_up(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._limit.cancel()
            self._on_closed()


_ordinary_addresses = aioice.ice.get_host_addresses


class WebRtc:
    """Makes connections that follow one policy. Sets aioice's process-wide tunables."""

    def __init__(
        self, bind_host: str, *, allow_private: bool, max_candidates: int, lull: Lull | None = None
    ) -> None:
        self._lull = lull or _at_once
        self._policy = CandidatePolicy(_is_loopback(bind_host), allow_private, max_candidates)
        aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: _addresses(
            bind_host, _ordinary_addresses(use_ipv4, use_ipv6)
        )

    async def warm_up(self) -> None:
        """Load what the first offer would load: 40 ms of imports, and keys, in the middle of other calls."""
        caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        caller.addTransceiver("audio").setCodecPreferences([_OPUS])
        connection = Connection(self._policy, _at_once, lambda path: None, lambda: None)
        await caller.setLocalDescription(await caller.createOffer())
        await connection.answer(str(caller.localDescription.sdp))
        await asyncio.gather(connection.close(), caller.close())

    def connection(
        self, on_connected: Callable[[MediaPath], None], on_closed: Callable[[], None]
    ) -> Connection:
        return Connection(self._policy, self._lull, on_connected, on_closed)


async def _at_once() -> None:
    """No lull is waited for."""


def _socket(protocol: Any) -> socket.socket:
    sock: socket.socket = protocol.transport._sock
    return sock


def _cname(answer: str) -> bytes:
    """The name our answer gave the stream; RTCP must say the same (RFC 8834 §4.9)."""
    found = re.search(r"^a=ssrc:\d+ cname:(\S+)", answer, re.MULTILINE)
    return found[1].encode()[:255] if found else b"voicewatch"


def _payload_type(transceiver: RTCRtpTransceiver) -> int:
    number = transceiver._codecs[0].payloadType
    assert number is not None  # aiortc gave it the offer's
    return number


async def _never_start(*_: object) -> None:
    """Stands for aiortc's RTP sender and receiver, so that their tasks and threads never come to be."""


def _gone() -> Problem:
    return Problem(409, "Leg is gone", "a later offer took the seat, or the call ended")


def _bad_sdp(detail: str) -> Problem:
    return Problem(status=400, title="Bad SDP", detail=detail, field="sdp")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses(bind_host: str, ordinary: list[str]) -> list[str]:
    """Where ICE listens: loopback when bound there, the one address bound, else all but link-local ones."""
    if _is_loopback(bind_host):
        return ["127.0.0.1"] if bind_host == "localhost" else [bind_host]
    try:
        bound = ip_address(bind_host)
    except ValueError:
        bound = ip_address("0.0.0.0")
    if not bound.is_unspecified:
        return [bind_host]
    return [one for one in ordinary if not ip_address(one.split("%")[0]).is_link_local]

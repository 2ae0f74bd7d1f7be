"""The private names of aiortc, aioice and asyncio that `voicewatch/media/webrtc.py` takes over."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import aioice.ice
import pytest

from tests.media.conftest import Stage
from tests.support.peers import until
from voicewatch.core.events import Role
from voicewatch.media.webrtc import PRIVATE_NAMES

WHAT_TO_DO = (
    "aiortc/aioice/asyncio changed: {owner} has no {name!r}. Read what replaced it, change "
    "MediaPath or WebRtc in voicewatch/media/webrtc.py and PRIVATE_NAMES there, pin the new version, "
    "run tests/media."
)


@pytest.fixture
async def owners(stage: Stage) -> dict[str, Any]:
    """Each owner in PRIVATE_NAMES, on our side of a living connection."""
    stage.open()
    await stage.attach("customer", Role.CUSTOMER)
    pc = stage.bridge.calls["call"].seats["customer"].attached.connection._pc
    transceiver = pc.getTransceivers()[0]
    dtls = transceiver.sender.transport
    ice = dtls.transport._connection
    protocol = next(iter(ice._protocols))
    return {
        "aioice.ice": aioice.ice,
        "aioice.ice.Connection": ice,
        "aioice.ice.StunProtocol": protocol,
        "aiortc.RTCDtlsTransport": dtls,
        "aiortc.RTCIceTransport": dtls.transport,
        "aiortc.RTCRtpTransceiver": transceiver,
        "aiortc.RTCRtpSender": transceiver.sender,
        "aiortc.RTCRtpReceiver": transceiver.receiver,
        "asyncio datagram transport": protocol.transport,
        "asyncio event loop": asyncio.get_running_loop(),
    }


async def test_every_private_name_is_there(owners: dict[str, Any]) -> None:
    assert owners.keys() == PRIVATE_NAMES.keys()
    for owner, names in PRIVATE_NAMES.items():
        for name in names:
            assert hasattr(owners[owner], name), WHAT_TO_DO.format(owner=owner, name=name)


async def test_they_mean_what_we_think(owners: dict[str, Any], stage: Stage) -> None:
    dtls, ice = owners["aiortc.RTCDtlsTransport"], owners["aioice.ice.Connection"]
    sealed = dtls._tx_srtp.protect(bytes([0x80, 111]) + bytes(10) + b"opus")
    assert len(sealed) > 16, WHAT_TO_DO.format(owner="RTCDtlsTransport", name="_tx_srtp.protect")
    pair = ice._nominated[1]
    assert pair.protocol in ice._protocols
    assert pair.remote_addr[0] == "127.0.0.1"
    assert owners["aiortc.RTCRtpTransceiver"]._codecs[0].mimeType == "audio/opus"
    assert ice.query_consent.__self__._ice is ice
    assert not ice._query_consent_task.done()
    sdp = stage.bridge.calls["call"].seats["customer"].attached.connection._pc.localDescription.sdp
    assert f"cname:{stage.engine.legs[0].path.cname.decode()}" in sdp
    assert aioice.ice.get_host_addresses(True, True) == ["127.0.0.1"]


def test_the_versions_are_the_ones_read() -> None:
    assert (version("aiortc"), version("aioice")) == ("1.16.0", "0.13.0"), (
        "another version: read its changes to the names in PRIVATE_NAMES, then change this line and the pins"
    )


async def test_no_thread_and_no_rtp_task_of_aiortc_runs_on_our_side(stage: Stage) -> None:
    stage.open()
    await stage.attach("customer", Role.CUSTOMER)
    await stage.happens("leg_live", seat_id="customer")
    transceiver = stage.bridge.calls["call"].seats["customer"].attached.connection._pc.getTransceivers()[0]
    assert transceiver.receiver._RTCRtpReceiver__decoder_thread is None
    assert transceiver.sender._RTCRtpSender__rtp_task is None
    await until(lambda: stage.callers[0].pc.iceConnectionState == "completed", "the peer is content")

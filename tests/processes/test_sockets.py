"""Addresses that cannot be had are explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from voicewatch.processes.sockets import CannotListen, Sockets, bind_tcp


def test_a_port_in_use_names_the_remedy() -> None:
    taken = bind_tcp("127.0.0.1", 0)
    port = taken.getsockname()[1]
    with taken, pytest.raises(CannotListen, match=rf"port {port} on 127.0.0.1 is in use; .* --port"):
        bind_tcp("127.0.0.1", port)


def test_an_address_that_is_not_ours_names_the_remedy() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1 is not an address of this machine"):
        bind_tcp("192.0.2.1", 0)


def test_too_long_a_path_names_the_remedy(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 120)
    deep.mkdir()
    with pytest.raises(CannotListen, match="TMPDIR"):
        Sockets(deep).listener("front")


def test_a_listener_is_bound_once(run_dir: Path) -> None:
    sockets = Sockets(run_dir)
    assert sockets.listener("front") is sockets.listener("front")
    assert sockets.path("front").is_socket()
    sockets.close()

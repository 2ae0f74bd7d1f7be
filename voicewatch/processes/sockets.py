"""The listening sockets of a server: bound once, handed to the processes that accept on them."""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

BACKLOG = 256
"""Peers and browsers that wait while a process is started again."""


class CannotListen(Exception):
    """An address cannot be listened on; the text names the remedy."""


@dataclass
class Sockets:
    """Unix sockets `NAME.sock` in `run_dir` (mode 0700), and whatever else is listened on, by name."""

    run_dir: Path
    listeners: dict[str, socket.socket] = field(default_factory=dict)

    @classmethod
    def inherited(cls, run_dir: Path, descriptors: Mapping[str, int]) -> Sockets:
        """In a child of the keeper: `descriptors` are the file descriptors it was given."""
        return cls(run_dir, {name: socket.socket(fileno=number) for name, number in descriptors.items()})

    def path(self, name: str) -> Path:
        return self.run_dir / f"{name}.sock"

    def listener(self, name: str) -> socket.socket:
        """The socket to accept on: the one inherited or bound before, else bound now to `path(name)`."""
        if name not in self.listeners:
            self.listeners[name] = bind_unix(self.path(name))
        return self.listeners[name]

    def close(self) -> None:
        for listener in self.listeners.values():
            listener.close()
        self.listeners.clear()


def bind_unix(path: Path) -> socket.socket:
    """Listens on a Unix socket. CannotListen if it cannot be made there (a path may have 107 bytes)."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(
            f"cannot listen on {path}: {error.strerror or error}; set TMPDIR to a short path"
        ) from None
    listener.setblocking(False)
    return listener


def bind_tcp(host: str, port: int) -> socket.socket:
    """Listens on TCP; port 0 takes a free one. CannotListen says what to do about it."""
    try:
        family, kind, number, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror:
        raise CannotListen(
            f"unknown host {host!r}; give an address of this machine, such as 127.0.0.1"
        ) from None
    listener = socket.socket(family, kind, number)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise CannotListen(_tcp_remedy(host, port, error)) from None
    listener.setblocking(False)
    return listener


def _tcp_remedy(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use; stop the program that has it, or choose another with --port"
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"port {port} needs more rights than this user has; choose one above 1023 with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine; give one with --host, such as 127.0.0.1"
    return f"cannot listen on {host}:{port}: {error.strerror}"

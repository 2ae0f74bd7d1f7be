"""Log lines: JSON on stderr, one event a line, never a customer's words.

A log never stops the process that writes it: a line that its disk or its reader does not take now is left
out and counted, and the next one that is taken says so.
"""

from __future__ import annotations

import json
import logging
import os
import select
from typing import TextIO, cast

import structlog

STDERR = 2


def configure(level: str, process: str) -> None:
    """For the whole process. `level` is debug, info, warning or error; a terminal gets readable lines."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if os.isatty(STDERR)
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, Lines(STDERR, process))),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(handlers=[_Forward()], level=max(threshold, logging.WARNING), force=True)


class Lines:
    """Whole lines to a descriptor, each in one write: all processes share the stderr, and must not mix.

    Nothing is raised and (but for over 4 KiB at once into a pipe) nothing waited for: neither a full disk
    nor a reader who stopped reading, or has gone, may hold up a tick of media.
    """

    def __init__(self, descriptor: int, process: str) -> None:
        self._descriptor = descriptor
        self._process = process
        self._lost = 0
        self._torn = False
        """A line was begun that could not be ended."""
        self._room = select.poll()
        self._room.register(descriptor, select.POLLOUT)

    def write(self, line: str) -> None:
        """`line` with its end. One thread at a time."""
        data = ("\n" * self._torn + self._told() + line).encode(errors="backslashreplace")
        try:
            written = os.write(self._descriptor, data) if self._room.poll(0) else 0
        except OSError:
            written = 0
        if written == len(data):
            self._lost, self._torn = 0, False
        else:
            self._lost += 1
            self._torn = self._torn or written > 0

    def _told(self) -> str:
        if not self._lost:
            return ""
        told = {"event": "log_lines_lost", "lines": self._lost, "level": "warning", "process": self._process}
        return json.dumps(told) + "\n"

    def flush(self) -> None:
        """Nothing is kept back."""


class _Forward(logging.Handler):
    """Lines of libraries that use `logging`, warnings and worse.

    Of an exception only its type: its text may hold what a customer said.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, str] = {"library": record.name}
        if record.exc_info and record.exc_info[0]:
            fields["error"] = record.exc_info[0].__name__
        structlog.get_logger().log(record.levelno, record.getMessage(), **fields)

"""Log lines: JSON on stderr, one event a line, never a customer's words."""

from __future__ import annotations

import logging
import sys

import structlog


def configure(level: str, process: str) -> None:
    """For the whole process. `level` is debug, info, warning or error; a terminal gets readable lines."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=True)
        if sys.stderr.isatty()
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
        # one write a line: all processes share the stderr, and their lines must not mix
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(process=process)
    logging.basicConfig(handlers=[_Forward()], level=max(threshold, logging.WARNING), force=True)


class _Forward(logging.Handler):
    """Lines of libraries that use `logging`, warnings and worse.

    Of an exception only its type: its text may hold what a customer said.
    """

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, str] = {"library": record.name}
        if record.exc_info and record.exc_info[0]:
            fields["error"] = record.exc_info[0].__name__
        structlog.get_logger().log(record.levelno, record.getMessage(), **fields)

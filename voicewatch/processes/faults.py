"""An unexpected exception as log fields, without its text: that may hold what a customer said."""

from __future__ import annotations

import traceback


def fault(error: BaseException) -> dict[str, str]:
    """`error`: its type; `where`: the calls that led to it, outermost first, as `file:line function`.

    Only the innermost six calls are kept.
    """
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return {
        "error": type(error).__name__,
        "where": " > ".join(f"{_short(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames),
    }


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])

"""A command of a person that cannot be done, and the text that people may give with one."""

from __future__ import annotations


class Refused(Exception):
    """A command that cannot be done, as RFC 9457 would say it."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail


MAX_TEXT = 500
"""Characters of a nudge, note or reason."""


def checked_text(name: str, text: str, needed: bool = False) -> str:
    """A person's text, trimmed; Refused if it is too long, or empty when it is needed."""
    trimmed = text.strip()
    if needed and not trimmed:
        raise Refused(422, "Text is missing", f"{name} must not be empty.")
    if len(trimmed) > MAX_TEXT:
        raise Refused(422, "Text is too long", f"{name} has {len(trimmed)} characters; at most {MAX_TEXT}.")
    return trimmed

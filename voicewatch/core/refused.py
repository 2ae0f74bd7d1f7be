"""A command of a person that cannot be done."""

from __future__ import annotations


class Refused(Exception):
    """A command that cannot be done, as RFC 9457 would say it."""

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.title, self.detail = status, title, detail

"""What went wrong, told to the one who asked: RFC 9457 problem details, across processes and to HTTP."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """`status`: of HTTP; `title`: the kind; `detail`: this case and its remedy; `field`: what is to blame."""

    def __init__(
        self, status: int, title: str, detail: str = "", *, field: str = "", retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{status} {title}: {detail}")
        self.status = status
        self.title = title
        self.detail = detail
        self.field = field
        self.retry_after_s = retry_after_s

    def as_dict(self) -> dict[str, Any]:
        """Members of RFC 9457; `field` and `retry_after_s` only where they are set."""
        told: dict[str, Any] = {"status": self.status, "title": self.title, "detail": self.detail}
        if self.field:
            told["field"] = self.field
        if self.retry_after_s is not None:
            told["retry_after_s"] = self.retry_after_s
        return told

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Problem:
        retry = told.get("retry_after_s")
        return cls(
            int(told.get("status", 500)),
            str(told.get("title", "Internal error")),
            str(told.get("detail", "")),
            field=str(told.get("field", "")),
            retry_after_s=None if retry is None else int(retry),
        )

"""Who somebody is: signing key, tokens, one-time codes, sign-out. The only module that imports jwt.

Tokens are JWT (RFC 7519), HS256 only, with issuer, audience, expiry, id and kind checked; an `access` token
speaks for a person or program, a `seat` token opens one seat of one call and nothing else.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import json
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import jwt
import structlog

from voicewatch.processes.problem import Problem

log = structlog.get_logger()

ISSUER = "voicewatch"
ROLES = ("customer", "ai", "agent", "supervisor", "admin", "integration")
GRANTS = ("unmask", "recordings")
COOKIE = "voicewatch"
KEY_FILE = "signing.key"
"""In the data folder."""
KEY_BYTES = 32
CODE_MINUTES = 10
MAX_CODES = 1_000
TRIES_PER_MINUTE = 30
"""Wrong codes a minute, of everybody: codes come from loopback only, where people share an address."""


@dataclass(frozen=True)
class Account:
    """Who a token speaks for. `expires_at` is Unix seconds."""

    sub: str
    name: str
    role: str
    grants: frozenset[str] = frozenset()
    kind: Literal["access", "seat"] = "access"
    expires_at: int = 0
    jti: str = ""
    call_id: str = ""
    seat_id: str = ""

    @property
    def may_unmask(self) -> bool:
        return "unmask" in self.grants


def new_account(role: str, name: str = "", grants: Iterable[str] = ()) -> Account:
    """An account of this role; the same name is the same account, no name is a new one every time.

    Raises ValueError for an unknown role or grant, naming the known ones.
    """
    if role not in ROLES:
        raise ValueError(f"unknown role {role!r}; known: {', '.join(ROLES)}")
    wanted = frozenset(grants)
    if unknown := wanted - set(GRANTS):
        raise ValueError(f"unknown grant {sorted(unknown)[0]!r}; known: {', '.join(GRANTS)}")
    name = " ".join(name.split())
    slug = "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())
    return Account(f"{role}-{slug or secrets.token_hex(4)}", name or role.capitalize(), role, wanted)


# ---------------------------------------------------------------- key and tokens


def load_key(data: Path) -> bytes:
    """The signing key of this data folder, made on first use: 32 random bytes, readable by the owner only.

    Made under another name and linked into place, so that of two processes starting together one key wins.
    OSError if it cannot be written or read, ValueError if it is damaged.
    """
    path = data / KEY_FILE
    if not path.exists():
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = data / f".signing.key.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secrets.token_bytes(KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(draft, path)
        finally:
            draft.unlink()
    key = path.read_bytes()
    if len(key) < KEY_BYTES:
        raise ValueError(
            f"{path} is damaged ({len(key)} bytes, {KEY_BYTES} needed): remove it and start again"
        )
    return key


class Tokens:
    """Mints and verifies tokens under one key; those signed out are kept in the file `signed_out`."""

    def __init__(
        self, key: bytes, signed_out: Path | None = None, now: Callable[[], float] = time.time
    ) -> None:
        self._key = key
        self._file = signed_out
        self._now = now
        self._revoked: dict[str, int] = self._read_revoked()
        self._unwritten: list[str] = []
        """Lines that the disk has not taken: as many as there were sign-outs since then."""
        self._behind = False

    def mint(self, account: Account, minutes: float) -> str:
        """A token for `account` that ends after `minutes`; its own jti and expiry replace the account's."""
        now = int(self._now())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "aud": ISSUER,
            "sub": account.sub,
            "name": account.name,
            "role": account.role,
            "kind": account.kind,
            "grants": sorted(account.grants),
            "iat": now,
            "exp": now + int(minutes * 60),
            "jti": secrets.token_hex(12),
        }
        if account.kind == "seat":
            claims |= {"call_id": account.call_id, "seat_id": account.seat_id}
        return jwt.encode(claims, self._key, algorithm="HS256")

    def verify(self, token: str) -> Account:
        """Whom the token speaks for. Raises Problem 401 when it is not ours, expired or signed out."""
        try:
            claims = jwt.decode(
                token,
                self._key,
                algorithms=["HS256"],
                audience=ISSUER,
                issuer=ISSUER,
                # What was minted before the clock was set back is as good as before.
                options={"require": ["exp", "iat", "jti", "sub", "role", "kind"], "verify_iat": False},
            )
        except jwt.ExpiredSignatureError:
            raise Problem(401, "Token expired", "Sign in again, or ask for a new token.") from None
        except jwt.PyJWTError:
            raise Problem(401, "Not signed in", "The token is not valid here.") from None
        account = _account_of(claims)
        if self.is_revoked(account.jti):
            raise Problem(401, "Signed out", "This session was signed out. Sign in again.")
        return account

    def revoke(self, account: Account) -> None:
        """Sign out: the token is refused from now on; after a restart too, if the disk takes it till then."""
        self._revoked[account.jti] = account.expires_at
        self._unwritten.append(json.dumps([account.jti, account.expires_at]) + "\n")
        self.write_down()

    def write_down(self) -> None:
        """Tries again what the disk did not take; to be called now and then."""
        if self._file is None or not self._unwritten:
            return
        try:
            with self._file.open("a", encoding="utf-8") as file:
                # The try before may have torn a line.
                file.write("\n" * self._behind + "".join(self._unwritten))
        except OSError as error:
            if not self._behind:
                log.error("sign_outs_not_written", reason=error.strerror)
            self._behind = True
        else:
            self._unwritten.clear()
            self._behind = False

    def is_revoked(self, jti: str) -> bool:
        return jti in self._revoked

    def _read_revoked(self) -> dict[str, int]:
        if self._file is None or not self._file.exists():
            return {}
        found: dict[str, int] = {}
        for line in self._file.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                jti, expires_at = json.loads(line)
                found[str(jti)] = int(expires_at)
            except (ValueError, TypeError):
                continue  # a line torn by a crash
        return {jti: end for jti, end in found.items() if end > self._now()}


def _account_of(claims: dict[str, Any]) -> Account:
    kind, role = claims["kind"], claims["role"]
    seat = (str(claims.get("call_id", "")), str(claims.get("seat_id", "")))
    if kind not in ("access", "seat") or role not in ROLES or (kind == "seat" and not all(seat)):
        raise Problem(401, "Not signed in", "The token is of an unknown kind.")
    return Account(
        str(claims["sub"]),
        str(claims.get("name", "")),
        role,
        frozenset(str(grant) for grant in claims.get("grants", [])) & set(GRANTS),
        kind,
        int(claims["exp"]),
        str(claims["jti"]),
        *seat,
    )


def mint(data: Path, role: str, name: str = "", minutes: float = 60, grants: Iterable[str] = ()) -> str:
    """An access token made with the data folder's key (for the command line and the demonstration).

    Raises ValueError for an unknown role or grant.
    """
    return Tokens(load_key(data)).mint(new_account(role, name, grants), minutes)


# ---------------------------------------------------------------- one-time codes


@dataclass
class Codes:
    """One-time sign-in codes. Only their hashes are kept, in memory: a restart forgets them all.

    At most `MAX_CODES` wait at once; when full the oldest is forgotten.
    """

    now: Callable[[], float] = time.monotonic
    _waiting: dict[str, tuple[float, Account]] = field(default_factory=dict)
    _wrong: deque[float] = field(default_factory=lambda: deque(maxlen=TRIES_PER_MINUTE))

    def create(self, account: Account) -> str:
        """A new code for this account, good once within ten minutes."""
        self._forget_old()
        while len(self._waiting) >= MAX_CODES:
            del self._waiting[next(iter(self._waiting))]
        code = secrets.token_urlsafe(24)
        self._waiting[_hash(code)] = (self.now() + CODE_MINUTES * 60, account)
        return code

    def redeem(self, code: str) -> Account:
        """The code's account; the code is spent. Raises Problem 403 (wrong, used, old) or 429."""
        self._forget_old()
        if len(self._wrong) == TRIES_PER_MINUTE and self.now() - self._wrong[0] < 60:
            wait_s = max(1, round(60 - (self.now() - self._wrong[0])))
            raise Problem(429, "Too many tries", "Wait a minute and try again.", retry_after_s=wait_s)
        found = self._waiting.pop(_hash(code), None)
        if found is None:
            self._wrong.append(self.now())
            raise Problem(
                403,
                "Code not valid",
                f"Codes work once and for {CODE_MINUTES} minutes. Ask for a new one.",
                field="code",
            )
        return found[1]

    def _forget_old(self) -> None:
        now = self.now()
        for digest in [digest for digest, (end, _) in self._waiting.items() if end <= now]:
            del self._waiting[digest]


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


# ---------------------------------------------------------------- where a request comes from


def is_loopback(client_host: str, host_header: str) -> bool:
    """True if the peer is this machine and meant this machine (a rebound DNS name does not)."""
    try:
        meant = urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        return False  # such as "[::1"
    return _is_loopback_name(client_host) and _is_loopback_name(meant)


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def origin_of(url: str) -> str:
    """scheme://host[:port] of a URL, default ports left out, as browsers write it; empty for what is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if not parts.scheme or not parts.hostname:
        return ""  # such as "null"
    default = {"http": 80, "https": 443}.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, default) else "")


def check_origin(origin: str | None, own: str, allowed: Iterable[str], required: bool) -> None:
    """Raises Problem 403 unless `origin` is that of the URL `own` or of an allowed one.

    A missing origin is refused only if `required`.
    """
    if origin is None:
        if required:
            raise Problem(403, "Origin missing", "Requests with a session cookie need an Origin header.")
        return
    given = origin_of(origin)
    if not given or given not in {origin_of(url) for url in (own, *allowed)}:
        raise Problem(403, "Origin refused", "This page may not call the server; see access.allowed_origins.")

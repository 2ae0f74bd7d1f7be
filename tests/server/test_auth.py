"""Keys, tokens, codes and origins, by plain values."""

from __future__ import annotations

import base64
import json
import resource
import stat
import time
from pathlib import Path

import jwt
import pytest
from structlog.testing import capture_logs

from voicewatch.processes.problem import Problem
from voicewatch.server.auth import (
    MAX_CODES,
    TRIES_PER_MINUTE,
    Account,
    Codes,
    Tokens,
    check_origin,
    is_loopback,
    load_key,
    mint,
    new_account,
)

KEY = b"k" * 32


def forged(header: dict[str, str], claims: dict[str, object]) -> str:
    def part(value: dict[str, object] | dict[str, str]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part(header)}.{part(claims)}."


def claims(**changed: object) -> dict[str, object]:
    good = {"iss": "voicewatch", "aud": "voicewatch", "sub": "admin-x", "role": "admin", "kind": "access"}
    return {**good, "iat": 1, "exp": 2**33, "jti": "1", "grants": [], **changed}


def test_the_key_is_made_once_and_is_the_owners(tmp_path: Path) -> None:
    key = load_key(tmp_path / "data")
    assert load_key(tmp_path / "data") == key
    assert len(key) == 32
    assert stat.S_IMODE((tmp_path / "data" / "signing.key").stat().st_mode) == 0o600
    assert [file.name for file in (tmp_path / "data").iterdir()] == ["signing.key"]


def test_a_damaged_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_bytes(b"short")
    with pytest.raises(ValueError, match="remove it"):
        load_key(tmp_path)


def test_a_minted_token_says_who_it_is(tmp_path: Path) -> None:
    account = Tokens(load_key(tmp_path)).verify(mint(tmp_path, "supervisor", "Sam Lee", 5, ["unmask"]))
    assert (account.sub, account.name, account.role) == ("supervisor-sam-lee", "Sam Lee", "supervisor")
    assert account.may_unmask
    assert account.kind == "access"


@pytest.mark.parametrize(
    "token",
    [
        forged({"alg": "none", "typ": "JWT"}, claims()),
        forged({"alg": "HS256", "typ": "JWT"}, claims()),
        jwt.encode(claims(), b"another key, and long enough too", "HS256"),
        jwt.encode(claims(), KEY * 2, "HS512"),
        jwt.encode(claims(aud="elsewhere"), KEY, "HS256"),
        jwt.encode(claims(iss="elsewhere"), KEY, "HS256"),
        jwt.encode(claims(exp=2), KEY, "HS256"),
        jwt.encode(claims(kind="refresh"), KEY, "HS256"),
        jwt.encode(claims(role="root"), KEY, "HS256"),
        jwt.encode(claims(kind="seat"), KEY, "HS256"),
        jwt.encode({name: value for name, value in claims().items() if name != "exp"}, KEY, "HS256"),
        "not.a.token",
        "",
    ],
)
def test_what_is_not_ours_is_refused(token: str) -> None:
    with pytest.raises(Problem) as refused:
        Tokens(KEY).verify(token)
    assert refused.value.status == 401


def test_unknown_grants_are_dropped() -> None:
    assert Tokens(KEY).verify(jwt.encode(claims(grants=["unmask", "all"]), KEY, "HS256")).grants == {"unmask"}


def test_signing_out_outlives_a_restart_and_is_forgotten_with_the_token(tmp_path: Path) -> None:
    now = [1_000.0]
    file = tmp_path / "signed_out.jsonl"
    tokens = Tokens(KEY, file, lambda: now[0])
    account = Account("a", "A", "admin", expires_at=2_000, jti="gone")
    tokens.revoke(account)
    file.write_bytes(b"\0\xff\n" + file.read_bytes() + b'["torn')
    assert Tokens(KEY, file, lambda: now[0]).is_revoked("gone")
    now[0] = 3_000.0
    assert not Tokens(KEY, file, lambda: now[0]).is_revoked("gone")


def test_signing_out_holds_on_a_full_disk_and_is_written_when_there_is_room(tmp_path: Path) -> None:
    file = tmp_path / "signed_out.jsonl"
    tokens = Tokens(KEY, file, lambda: 1_000.0)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # a line is longer: it is torn
    try:
        with capture_logs() as lines:
            for jti in ("one", "two"):
                tokens.revoke(Account("a", "A", "admin", expires_at=2_000, jti=jti))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [line["event"] for line in lines] == ["sign_outs_not_written"]
    assert tokens.is_revoked("one")
    assert tokens.is_revoked("two")
    tokens.write_down()
    later = Tokens(KEY, file, lambda: 1_000.0)
    assert later.is_revoked("one")
    assert later.is_revoked("two")


def test_a_clock_that_is_set_back_signs_nobody_out() -> None:
    minted_before = Tokens(KEY, now=lambda: time.time() + 3_600).mint(new_account("agent", "Dana"), 60)
    assert Tokens(KEY).verify(minted_before).name == "Dana"


def test_a_code_works_once_and_for_ten_minutes() -> None:
    now = [0.0]
    codes = Codes(lambda: now[0])
    account = new_account("agent", "Dana")
    code = codes.create(account)
    assert codes.redeem(code) is account
    late = codes.create(account)
    with pytest.raises(Problem) as used:
        codes.redeem(code)
    assert (used.value.status, used.value.field) == (403, "code")
    now[0] = 601.0
    with pytest.raises(Problem):
        codes.redeem(late)


def test_guessing_codes_is_slow_and_hoarding_them_is_bounded() -> None:
    now = [0.0]
    codes = Codes(lambda: now[0])
    right = [codes.create(new_account("agent")) for _ in range(MAX_CODES + 1)]
    for _ in range(TRIES_PER_MINUTE):
        with pytest.raises(Problem, match="403"):
            codes.redeem("guess")
    with pytest.raises(Problem, match="429") as slow:
        codes.redeem(right[-1])
    assert slow.value.retry_after_s == 60
    now[0] = 61.0
    with pytest.raises(Problem, match="403"):
        codes.redeem(right[0])  # the oldest was forgotten for the newest
    assert codes.redeem(right[-1]).role == "agent"


@pytest.mark.parametrize(("role", "grants"), [("boss", []), ("admin", ["everything"])])
def test_unknown_roles_and_grants_are_named(role: str, grants: list[str]) -> None:
    with pytest.raises(ValueError, match="known:"):
        new_account(role, "", grants)


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.0.0.1:8001", False),
        ("https://127.0.0.1:8000", False),
        ("https://desk.example", True),
        ("https://desk.example.evil.test", False),
        ("null", False),
        ("", False),
        ("http://127.0.0.1:x", False),
        ("http://[::1", False),
        ("elsewhere", False),
    ],
)
def test_only_known_origins(origin: str, allowed: bool) -> None:
    def check() -> None:
        check_origin(origin, "http://127.0.0.1:8000", ["https://desk.example/", "null"], required=True)

    if allowed:
        check()
    else:
        with pytest.raises(Problem, match="403"):
            check()


def test_a_missing_origin_matters_only_where_it_is_needed() -> None:
    check_origin(None, "http://here", [], required=False)
    with pytest.raises(Problem, match="403"):
        check_origin(None, "http://here", [], required=True)


@pytest.mark.parametrize(
    ("client", "host", "here"),
    [
        ("127.0.0.1", "127.0.0.1:8000", True),
        ("127.0.0.1", "localhost:8000", True),
        ("::1", "[::1]:8000", True),
        ("127.0.0.1", "rebound.example:8000", False),
        ("10.0.0.7", "127.0.0.1:8000", False),
        ("", "", False),
    ],
)
def test_loopback_means_from_here_to_here(client: str, host: str, here: bool) -> None:
    assert is_loopback(client, host) is here

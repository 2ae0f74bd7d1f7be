"""The routes of docs/API.md, each one line of work: roles are checked here, objects in `calls.py`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Path, Query, Request, Response

from voicewatch import __version__
from voicewatch.core.events import FACTS, SIGNALS, Role
from voicewatch.processes.problem import Problem
from voicewatch.server import requests as bodies
from voicewatch.server.auth import CODE_MINUTES, COOKIE, Account, new_account
from voicewatch.server.http import (
    Agent,
    CallId,
    FrontOf,
    Staff,
    Watcher,
    any_session,
    from_here,
    only,
    seat_token,
    signed_in,
)
from voicewatch.server.metrics import CONTENT_TYPE
from voicewatch.server.pages import STYLE, routes_page
from voicewatch.server.queue_routes import queues
from voicewatch.server.recording_routes import recordings

OtherId = Annotated[str, Path(max_length=64)]
AnySession = Annotated[Account, Depends(any_session)]
SeatToken = Annotated[Account, Depends(seat_token)]
Caller = Annotated[Account, only("customer", "integration", "admin")]
CodeMaker = Annotated[Account, only("admin", "integration")]

PAGE_OF_ROLE = {"customer": "/call", "agent": "/agent", "supervisor": "/dashboard", "admin": "/dashboard"}
SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"

session = APIRouter(prefix="/api")
calls = APIRouter(prefix="/api/calls")
work = APIRouter(prefix="/api")
whip = APIRouter(prefix="/api/whip")
about = APIRouter()


def add_routes(app: FastAPI) -> None:
    for router in (session, calls, recordings, queues, work, whip, about):
        app.include_router(router)


# ---------------------------------------------------------------- signing in


@session.post("/codes", status_code=201, summary="A one-time sign-in link")
def make_code(body: bodies.NewCode, front: FrontOf, account: CodeMaker) -> dict[str, Any]:
    if body.role == "admin" and account.role != "admin":
        raise Problem(403, "Not allowed", "Only an admin makes links for admins.", field="role")
    if not set(body.grants) <= account.grants:
        raise Problem(403, "Not allowed", "You can pass on only grants that you have.", field="grants")
    code = front.codes.create(new_account(body.role, body.name, body.grants))
    path = body.path or PAGE_OF_ROLE[body.role]
    return {
        "code": code,
        "url": f"{front.public_url}{path}#code={code}",
        "expires_at": _iso(time.time() + CODE_MINUTES * 60),
    }


@session.post("/session", summary="Signs in with a one-time code, from this machine only")
def sign_in(body: bodies.SignIn, request: Request, response: Response, front: FrontOf) -> dict[str, Any]:
    if not from_here(request):
        raise Problem(403, "Not from here", "Codes are taken only from the machine the server runs on.")
    front.check_origin(request.headers, required=False)
    account = front.codes.redeem(body.code)
    lifetime_s = front.access.session_hours * 3_600
    response.set_cookie(
        COOKIE,
        front.tokens.mint(account, lifetime_s / 60),
        max_age=lifetime_s,
        httponly=True,
        samesite="strict",
        secure=front.is_https,
        path="/",
    )
    return {
        "role": account.role,
        "name": account.name,
        "sub": account.sub,
        "expires_at": _iso(time.time() + lifetime_s),
    }


@session.get("/session", summary="Who you are")
def who_am_i(account: AnySession) -> dict[str, Any]:
    return {
        "role": account.role,
        "name": account.name,
        "sub": account.sub,
        "grants": sorted(account.grants),
    }


@session.delete("/session", status_code=204, summary="Signs out; the token is refused from now on")
def sign_out(front: FrontOf, account: AnySession) -> Response:
    front.tokens.revoke(account)
    front.feed.revoke(account.jti)
    front.ai_seats.revoke(account.jti)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict", secure=front.is_https)
    return response


# ---------------------------------------------------------------- calls


@calls.post("", status_code=201, summary="Starts a call; gives the customer's seat")
async def start_call(body: bodies.NewCall, front: FrontOf, account: Caller) -> dict[str, Any]:
    return await front.calls.start(account, body)


@calls.get("", summary="Live calls, then the latest ended")
async def list_calls(front: FrontOf, account: Watcher) -> dict[str, Any]:
    return {"calls": front.calls.rows(account)}


@calls.get("/{call_id}", summary="One call with its utterances")
async def one_call(call_id: CallId, front: FrontOf, account: Staff) -> dict[str, Any]:
    return await front.calls.view(account, call_id)


@calls.get("/{call_id}/events", summary="The call's facts")
async def call_events(
    call_id: CallId, front: FrontOf, account: Watcher, after: Annotated[int, Query(ge=0, le=2**53)] = 0
) -> dict[str, Any]:
    return {"events": await front.calls.events(account, call_id, after)}


@calls.post("/{call_id}/supervise", summary="Joins a call, or changes the mode of the seat one has")
async def supervise(
    call_id: CallId, body: bodies.Supervise, front: FrontOf, account: Watcher
) -> dict[str, Any]:
    return await front.calls.supervise(account, call_id, body.mode)


@calls.delete("/{call_id}/supervise", status_code=204, summary="Leaves a call")
async def stop_supervising(call_id: CallId, front: FrontOf, account: Watcher) -> None:
    await front.calls.leave(account, call_id)


@calls.post("/{call_id}/handback", status_code=204, summary="Gives the call back to the AI")
async def hand_back(
    call_id: CallId, front: FrontOf, account: Staff, body: bodies.HandBack | None = None
) -> None:
    await front.calls.hand_back(account, call_id, body.note if body else "")


@calls.post("/{call_id}/escalate", status_code=201, summary="Calls a person")
async def escalate(
    call_id: CallId, front: FrontOf, account: Watcher, body: bodies.Escalate | None = None
) -> dict[str, Any]:
    wanted = body or bodies.Escalate()
    return {"escalation_id": await front.calls.escalate(account, call_id, wanted.reason, wanted.agent_id)}


@calls.post("/{call_id}/hold", status_code=204, summary="The customer hears hold audio, and nobody hears him")
async def hold(call_id: CallId, front: FrontOf, account: Staff) -> None:
    await front.calls.hold(account, call_id)


@calls.delete("/{call_id}/hold", status_code=204, summary="Hold ends")
async def unhold(call_id: CallId, front: FrontOf, account: Staff) -> None:
    await front.calls.unhold(account, call_id)


@calls.put("/{call_id}/mute", status_code=204, summary="Mutes one's own seat, or lets it speak again")
async def mute(call_id: CallId, body: bodies.Mute, front: FrontOf, account: Staff) -> None:
    await front.calls.mute(account, call_id, body.muted)


@calls.post("/{call_id}/dtmf", summary="Presses keys for the customer or the AI to hear")
async def press_keys(
    call_id: CallId, body: bodies.PressKeys, front: FrontOf, account: Staff
) -> dict[str, Any]:
    return await front.calls.press_keys(account, call_id, body.digits, Role(body.to))


@calls.post("/{call_id}/nudge", status_code=204, summary="A text for the AI to read")
async def nudge(call_id: CallId, body: bodies.Nudge, front: FrontOf, account: Staff) -> None:
    await front.calls.nudge(account, call_id, body.text)


@calls.post("/{call_id}/alerts/{alert_id}/dismiss", status_code=204, summary="Says that an alert was wrong")
async def dismiss(
    call_id: CallId, alert_id: OtherId, body: bodies.Dismiss, front: FrontOf, account: Watcher
) -> None:
    await front.calls.dismiss(account, call_id, alert_id, body.reason)


@calls.post("/{call_id}/end", status_code=204, summary="Ends a call")
async def end_call(call_id: CallId, front: FrontOf, account: Staff) -> None:
    await front.calls.end(account, call_id)


@calls.post("/{call_id}/disposition", status_code=204, summary="The outcome; ends the agent's wrap-up")
async def dispose(call_id: CallId, body: bodies.Disposition, front: FrontOf, account: Agent) -> None:
    await front.calls.dispose(account, call_id, body.code, body.note)


# ---------------------------------------------------------------- agents


@work.put("/presence", summary="Available or away; held while an events socket is open")
async def set_presence(body: bodies.NewPresence, front: FrontOf, account: Agent) -> dict[str, Any]:
    return {"state": await front.presences.change(account, body.state)}


@work.post("/offers/{offer_id}/accept", summary="Takes the call")
async def accept(offer_id: OtherId, front: FrontOf, account: Agent) -> dict[str, Any]:
    return await front.calls.accept(account, offer_id)


@work.post("/offers/{offer_id}/decline", status_code=204, summary="Does not take the call")
async def decline(
    offer_id: OtherId, front: FrontOf, account: Agent, body: bodies.Decline | None = None
) -> None:
    await front.calls.decline(account, offer_id, body.reason if body else "")


@work.get("/rules", summary="The rules in force")
def rules(front: FrontOf, account: Watcher) -> dict[str, Any]:
    return front.rules.view()


# ---------------------------------------------------------------- legs


@whip.post("", status_code=201, summary="Attaches a leg to the token's seat (SDP offer in, answer out)")
async def attach(request: Request, front: FrontOf, token: SeatToken) -> Response:
    leg_id, answer = await front.calls.attach(token, await _text(request, SDP))
    return Response(answer, 201, {"location": f"/api/whip/{leg_id}"}, SDP)


@whip.patch("/{leg_id}", status_code=204, summary="More ICE candidates (RFC 8840)")
async def trickle(leg_id: OtherId, request: Request, front: FrontOf, token: SeatToken) -> None:
    await front.calls.trickle(token, leg_id, await _text(request, FRAGMENT))


@whip.delete("/{leg_id}", summary="Hangs up; the customer's ends the call")
async def detach(leg_id: OtherId, front: FrontOf, token: SeatToken) -> dict[str, Any]:
    await front.calls.detach(token, leg_id)
    return {}


async def _text(request: Request, content_type: str) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != content_type:
        raise Problem(415, "Wrong content type", f"Send {content_type}.", field="content-type")
    try:
        text = (await request.body()).decode()
    except UnicodeDecodeError:
        text = ""
    if not text.strip():
        raise Problem(400, "Bad body", f"The body is not {content_type} in UTF-8.")
    return text


# ---------------------------------------------------------------- about the server


@about.get("/api/health", summary="Whether everything is up")
def health(front: FrontOf) -> dict[str, Any]:
    now = front.status.now()
    return {
        "status": "ok" if front.status.is_ok else "degraded",
        "version": __version__,
        "processes": now.processes,
        "degraded": now.degraded,
        "restarts": front.status.restarts,
    }


@about.get("/api/schema", summary="JSON Schema of every event")
def schema(account: AnySession) -> dict[str, Any]:
    kinds = {**FACTS, **SIGNALS}
    return {
        "facts": sorted(FACTS),
        "signals": sorted(SIGNALS),
        "events": {name: kind.model_json_schema() for name, kind in sorted(kinds.items())},
    }


@about.get("/api/openapi.json", summary="This API as OpenAPI")
def openapi(request: Request, account: AnySession) -> dict[str, Any]:
    described: dict[str, Any] = request.app.openapi()
    return described


@about.get("/api/docs", include_in_schema=False)
def docs(request: Request, account: AnySession) -> Response:
    described = request.app.openapi()["paths"]
    table = [
        (method.upper(), path, str(operation.get("summary", "")))
        for path, operations in described.items()
        for method, operation in operations.items()
    ]
    return Response(routes_page(table), media_type="text/html; charset=utf-8")


@about.get("/api/plain.css", include_in_schema=False)
def plain_style() -> Response:
    return Response(STYLE, media_type="text/css; charset=utf-8", headers={"cache-control": "max-age=3600"})


@about.get("/metrics", summary="Measures for Prometheus, from this machine or for an admin")
def metrics(request: Request, front: FrontOf) -> Response:
    if not from_here(request) and signed_in(request, front).role != "admin":
        raise Problem(403, "Not allowed", "Measures are read from this machine, or by an admin.")
    return Response(front.metrics.text(), media_type=CONTENT_TYPE)


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(int(unix_s), UTC).isoformat()

"""Routes about calls that wait for a person, customers to be called back, and people's word on past calls."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from voicewatch.core.labels import VALUES
from voicewatch.server import requests as bodies
from voicewatch.server.http import Agent, CallId, FrontOf, Staff, Watcher

queues = APIRouter(prefix="/api")


@queues.get("/queue", summary="Calls that wait for a person, the next first")
def waiting(front: FrontOf, account: Staff) -> dict[str, Any]:
    plan = front.queues.plan
    return {
        "waiting": front.queues.waiting(),
        "queues": [queue.name for queue in plan.queues],
        "dispositions": plan.dispositions,
    }


@queues.post("/calls/{call_id}/claim", summary="Takes a waiting call")
async def claim(call_id: CallId, front: FrontOf, account: Agent) -> dict[str, Any]:
    return await front.calls.claim(account, call_id)


@queues.post("/calls/{call_id}/release", status_code=204, summary="Nobody is sought any more")
async def release(
    call_id: CallId, front: FrontOf, account: Watcher, body: bodies.Release | None = None
) -> None:
    await front.queues.release(account, call_id, body.reason if body else "")


@queues.post("/calls/{call_id}/labels", status_code=204, summary="A person's word on the system's work")
async def label(call_id: CallId, body: bodies.NewLabel, front: FrontOf, account: Staff) -> None:
    await front.review.label(account, call_id, body)


@queues.get("/review", summary="Ended calls drawn for somebody to look at")
def review(front: FrontOf, account: Watcher) -> dict[str, Any]:
    return {"calls": front.review.queue(), "values": {about: list(known) for about, known in VALUES.items()}}


@queues.get("/insights", summary="How the house does: figures of the calls of the last days")
def insights(
    front: FrontOf, account: Watcher, days: Annotated[int, Query(ge=1, le=366)] = 7
) -> dict[str, Any]:
    return front.insights.report(days)


@queues.get("/callbacks", summary="Customers who are to be called back")
def callbacks(front: FrontOf, account: Staff) -> dict[str, Any]:
    return {"callbacks": front.queues.callbacks(account)}


@queues.post("/calls/{call_id}/callback", status_code=204, summary="The customer is called back instead")
async def call_back(call_id: CallId, body: bodies.NewCallback, front: FrontOf, account: Staff) -> None:
    await front.queues.call_back(account, call_id, body.number, body.when, body.note)


@queues.post("/callbacks/{call_id}", status_code=204, summary="What became of a callback")
async def called_back(call_id: CallId, body: bodies.CalledBack, front: FrontOf, account: Staff) -> None:
    await front.queues.called_back(account, call_id, body.outcome, body.note)

"""What people and programs may do with calls: each route's work, with its object-level checks.

Roles are checked by the routes; here it is checked that the call, seat or offer is the caller's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import ceil
from typing import Any

from voicewatch.core.call import CallState, Seat
from voicewatch.core.events import DtmfSent, EscalationRaised, Fact, Mode, PastCall, Role, SeatOpened
from voicewatch.core.ids import customer_key
from voicewatch.processes.messages import (
    AttachLeg,
    CloseCall,
    DetachLeg,
    OpenCall,
    SendDigits,
    TrickleLeg,
)
from voicewatch.processes.problem import Problem
from voicewatch.server.ai_seat import AISeats
from voicewatch.server.auth import Account, Tokens
from voicewatch.server.desk import Desk, no_such_call
from voicewatch.server.feed import ALL_CALLS, Feed
from voicewatch.server.media_links import Leg, MediaLinks
from voicewatch.server.pace import Pace
from voicewatch.server.requests import NewCall
from voicewatch.server.rescue import Rescue
from voicewatch.server.shown import Shown, for_eyes

RECENT_CALLS = 50
UNCONNECTED_LIMIT = 20
"""Live calls of one customer account that nobody has connected to, so that one page cannot fill the house."""
OFFERS_AT_ONCE, OFFERS_PER_S = 10, 0.5
"""SDP offers of one seat: each costs media keys and sockets; a client that re-attaches needs one or two."""
SEAT_TOKEN_MINUTES = 12 * 60
"""A seat token is good for as long as its seat is open, and at most so long."""

DISCLOSURE = "You are speaking with an AI assistant. A person may join at any time. "
DISCLOSURE_RECORDED = DISCLOSURE + "This call is transcribed and recorded."
DISCLOSURE_UNRECORDED = DISCLOSURE + "This call is transcribed and not recorded."


def mint_seat_token(tokens: Tokens, call_id: str, seat: Seat, name: str = "") -> str:
    """A token that opens this one seat."""
    account = Account(
        seat.who or seat.seat_id,
        name or seat.name,
        seat.role.value,
        kind="seat",
        call_id=call_id,
        seat_id=seat.seat_id,
    )
    return tokens.mint(account, SEAT_TOKEN_MINUTES)


class Calls:
    def __init__(
        self,
        desk: Desk,
        links: MediaLinks,
        rescue: Rescue,
        feed: Feed,
        ai_seats: AISeats,
        tokens: Tokens,
        new_id: Callable[[], str],
        history: Callable[[str], list[PastCall]],
    ) -> None:
        """`history`: key of a customer -> his earlier calls, newest first."""
        self._history = history
        self._desk = desk
        self._links = links
        self._rescue = rescue
        self._feed = feed
        self._ai_seats = ai_seats
        self._tokens = tokens
        self._new_id = new_id
        self._offers = Pace(OFFERS_AT_ONCE, OFFERS_PER_S)
        self._callers: dict[str, str] = {}  # live call -> account that started it

    @property
    def _shown(self) -> Shown:
        return self._desk.shown

    # ------------------------------------------------------------ customers

    async def start(self, account: Account, wanted: NewCall) -> dict[str, Any]:
        """A new call with the customer's seat. Problem 503 if no media process takes it, 429 at the limit."""
        self._limit(account)
        peer = self._links.place()
        call_id, seat_id, zero_mono_ns = self._new_id(), self._new_id(), time.monotonic_ns()
        key = customer_key(wanted.attributes.get("customer_id") or _own_customer(account))
        disclosure = DISCLOSURE_RECORDED if wanted.recording_consent else DISCLOSURE_UNRECORDED
        await peer.ask(OpenCall(call_id=call_id, zero_mono_ns=zero_mono_ns, record=wanted.recording_consent))
        self._links.assign(call_id, peer)
        try:
            await self._desk.command(
                lambda director: director.start_call(
                    call_id,
                    attributes=dict(wanted.attributes),
                    customer_name=wanted.customer_name,
                    customer_key=key,
                    history=self._history(key),
                    zero_mono_ns=zero_mono_ns,
                    recording_consent=wanted.recording_consent,
                    disclosure=disclosure,
                    seat_id=seat_id,
                )
            )
        except Problem:
            if not self._shown.has(call_id):
                self._links.lose(call_id)
                peer.tell(CloseCall(call_id=call_id, reason="not started"))
            raise
        self._callers[call_id] = account.sub
        return {"call_id": call_id, **self._seat_given(call_id, seat_id), "disclosure": disclosure}

    def _limit(self, account: Account) -> None:
        self._callers = {call: sub for call, sub in self._callers.items() if self._shown.is_live(call)}
        unconnected = [
            call_id
            for call_id, sub in self._callers.items()
            if sub == account.sub
            and all(seat.leg == "none" for seat in self._shown.call(call_id).open_seats(Role.CUSTOMER))
        ]
        if account.role == "customer" and len(unconnected) >= UNCONNECTED_LIMIT:
            raise Problem(429, "Too many calls", "Connect to the calls you have first.", retry_after_s=10)

    # ------------------------------------------------------------ legs (WHIP)

    async def attach(self, token: Account, sdp: str) -> tuple[str, str]:
        """Leg id and answer to an SDP offer for the token's seat; a leg already there is replaced."""
        call, seat = self._seat_of_token(token)
        if not call.is_live:
            raise Problem(409, "Call ended", "This call is over.")
        if not seat.is_open:
            raise Problem(403, "Seat closed", "This seat was given up; ask for a new one.")
        if wait_s := self._offers.wait_s(f"{call.call_id} {seat.seat_id}", time.monotonic()):
            raise Problem(429, "Too many offers", "Wait before you attach again.", retry_after_s=ceil(wait_s))
        if self._links.home(call.call_id) is None:
            await self._rescue.place(call.call_id, "media_died")
        leg_id = self._new_id()
        transcribe = seat.role != Role.AI or self._ai_seats.transcribes(seat)
        answer = await self._links.ask(
            call.call_id,
            AttachLeg(
                call_id=call.call_id,
                seat_id=seat.seat_id,
                role=seat.role,
                leg_id=leg_id,
                sdp=sdp,
                transcribe=transcribe,
            ),
        )
        leg_id = str(answer.get("leg_id", leg_id))
        self._links.add_leg(leg_id, Leg(call.call_id, seat.seat_id))
        return leg_id, str(answer["sdp"])

    async def trickle(self, token: Account, leg_id: str, fragment: str) -> None:
        self._own_leg(token, leg_id)
        await self._links.ask(token.call_id, TrickleLeg(leg_id=leg_id, fragment=fragment))

    async def detach(self, token: Account, leg_id: str) -> None:
        """Hangs up; the customer's own hanging up ends the call, whether media is there or not."""
        self._own_leg(token, leg_id)
        try:
            await self._links.ask(token.call_id, DetachLeg(leg_id=leg_id))
        except Problem as problem:
            if problem.status not in (404, 409, 503):
                raise
        if token.role == Role.CUSTOMER and self._shown.is_live(token.call_id):
            at_ms = self._desk.at_ms(token.call_id)
            await self._desk.command(lambda director: director.end(token.call_id, at_ms, "customer_hangup"))

    def _seat_of_token(self, token: Account) -> tuple[CallState, Seat]:
        if not self._shown.has(token.call_id):
            raise no_such_call()
        call = self._shown.call(token.call_id)
        seat = call.seats.get(token.seat_id)
        if seat is None or seat.role != token.role:
            raise Problem(403, "Not your seat", "The token does not open a seat of this call.")
        return call, seat

    def _own_leg(self, token: Account, leg_id: str) -> None:
        if self._links.leg(leg_id) != Leg(token.call_id, token.seat_id):
            raise Problem(404, "No such leg", "There is no such leg in your seat; post an offer again.")

    # ------------------------------------------------------------ reading

    def rows(self, account: Account) -> list[dict[str, Any]]:
        """Live calls, then the latest ended ones, without utterances."""
        calls = [*self._shown.live(), *self._shown.ended()[:RECENT_CALLS]]
        return [self._shown.view(call_id, full=False, unmask=account.may_unmask) for call_id in calls]

    async def view(self, account: Account, call_id: str) -> dict[str, Any]:
        if account.role == Role.AGENT and not self._feed.agent_sees(account.sub, call_id):
            raise no_such_call()
        if self._shown.has(call_id):
            return self._shown.view(call_id, full=True, unmask=account.may_unmask)
        old = Shown()
        old.load(await self._facts(call_id))
        return old.view(call_id, full=True, unmask=account.may_unmask)

    async def events(self, account: Account, call_id: str, after: int) -> list[dict[str, Any]]:
        """Facts of the call that are shown already, masked unless the account may see them as they are."""
        shown_to = self._shown.call(call_id).last_seq if self._shown.has(call_id) else None
        return [
            for_eyes(fact, account.may_unmask).model_dump(mode="json")
            for fact in await self._facts(call_id)
            if fact.seq > after and (shown_to is None or fact.seq <= shown_to)
        ]

    async def _facts(self, call_id: str) -> list[Fact]:
        facts = await self._desk.record.read(call_id)
        if not facts:
            raise no_such_call()
        return facts

    # ------------------------------------------------------------ agents

    async def accept(self, account: Account, offer_id: str) -> dict[str, Any]:
        call = self._call_of_offer(account, offer_id)
        seat_id, at_ms = self._new_id(), self._desk.at_ms(call.call_id)
        facts = await self._desk.command(
            lambda director: director.accept(offer_id, account.sub, at_ms, seat_id)
        )
        return self._accepted(account, call.call_id, facts)

    def _accepted(self, account: Account, call_id: str, facts: Sequence[Fact]) -> dict[str, Any]:
        opened = next(fact.seat_id for fact in facts if isinstance(fact, SeatOpened))
        view = self._shown.view(call_id, full=False, unmask=account.may_unmask)
        return {"call_id": call_id, **self._seat_given(call_id, opened), "briefing": view["briefing"]}

    async def claim(self, account: Account, call_id: str) -> dict[str, Any]:
        """The agent takes a waiting call by himself."""
        self._live(call_id)
        seat_id, at_ms = self._new_id(), self._desk.at_ms(call_id)
        facts = await self._desk.command(
            lambda director: director.claim(call_id, at_ms, account.sub, seat_id)
        )
        return self._accepted(account, call_id, facts)

    async def decline(self, account: Account, offer_id: str, reason: str) -> None:
        call = self._call_of_offer(account, offer_id)
        at_ms = self._desk.at_ms(call.call_id)
        await self._desk.command(lambda director: director.decline(offer_id, account.sub, at_ms, reason))

    async def dispose(self, account: Account, call_id: str, code: str, note: str) -> None:
        call = self._known(call_id)
        if not any(seat.who == account.sub and seat.role == Role.AGENT for seat in call.seats.values()):
            raise no_such_call()
        at_ms = self._desk.at_ms(call_id)
        await self._desk.command(lambda director: director.dispose(call_id, at_ms, account.sub, code, note))

    def _call_of_offer(self, account: Account, offer_id: str) -> CallState:
        for call_id in (*self._shown.live(), *self._shown.ended()):
            offer = self._shown.call(call_id).offers.get(offer_id)
            if offer is not None and offer.made.agent_id == account.sub:
                return self._shown.call(call_id)
        raise Problem(404, "No such offer", "There is no such offer, or it was made to somebody else.")

    # ------------------------------------------------------------ supervisors, and agents in the call

    async def supervise(self, account: Account, call_id: str, mode: Mode) -> dict[str, Any]:
        """A seat for this supervisor, or the mode of the one he has."""
        self._live(call_id)
        seat_id, at_ms = self._new_id(), self._desk.at_ms(call_id)
        await self._desk.command(
            lambda director: director.supervise(call_id, at_ms, account.sub, account.name, mode, seat_id)
        )
        seat = self._shown.call(call_id).seat_of(account.sub, Role.SUPERVISOR)
        if seat is None:
            raise Problem(409, "No seat", "The call ended meanwhile.")
        return {**self._seat_given(call_id, seat.seat_id), "mode": seat.mode}

    async def leave(self, account: Account, call_id: str) -> None:
        self._live(call_id)
        at_ms = self._desk.at_ms(call_id)
        await self._desk.command(lambda director: director.leave(call_id, at_ms, account.sub))

    async def hand_back(self, account: Account, call_id: str, note: str) -> None:
        at_ms = self._of_his_call(account, call_id)
        await self._desk.command(lambda director: director.hand_back(call_id, at_ms, account.sub, note))

    async def escalate(self, account: Account, call_id: str, reason: str, agent_id: str | None) -> str:
        """Gives the escalation's id."""
        self._live(call_id)
        at_ms = self._desk.at_ms(call_id)
        facts = await self._desk.command(
            lambda director: director.escalate(call_id, at_ms, account.sub, reason, agent_id)
        )
        return _escalation_of(facts)

    async def hold(self, account: Account, call_id: str) -> None:
        at_ms = self._of_his_call(account, call_id)
        await self._desk.command(lambda director: director.hold(call_id, at_ms, account.sub))

    async def unhold(self, account: Account, call_id: str) -> None:
        at_ms = self._of_his_call(account, call_id)
        await self._desk.command(lambda director: director.unhold(call_id, at_ms, account.sub))

    async def mute(self, account: Account, call_id: str, muted: bool) -> None:
        at_ms = self._of_his_call(account, call_id)
        await self._desk.command(lambda director: director.mute(call_id, at_ms, account.sub, muted))

    async def press_keys(self, account: Account, call_id: str, digits: str, to: Role) -> dict[str, Any]:
        """How they were sent: `events` or `tones`. Problem 409 if nobody is there to hear them."""
        at_ms = self._of_his_call(account, call_id)
        seat = next(iter(self._shown.call(call_id).open_seats(to)), None)
        if seat is None:
            raise Problem(409, "Nobody there", f"There is no {to} in this call.", field="to")
        sent = await self._links.ask(
            call_id, SendDigits(call_id=call_id, seat_id=seat.seat_id, digits=digits)
        )
        await self._desk.state(
            *(
                DtmfSent(call_id=call_id, at_ms=at_ms, seat_id=seat.seat_id, digit=digit, by=account.sub)
                for digit in digits
            )
        )
        return {"as": sent["as"]}

    async def nudge(self, account: Account, call_id: str, text: str) -> None:
        at_ms = self._of_his_call(account, call_id)
        await self._desk.command(lambda director: director.nudge(call_id, at_ms, account.sub, text))

    async def dismiss(self, account: Account, call_id: str, alert_id: str, reason: str) -> None:
        if alert_id not in self._known(call_id).alerts:
            raise Problem(404, "No such alert", "There is no such alert in this call.")
        at_ms = self._desk.at_ms(call_id)
        await self._desk.command(
            lambda director: director.dismiss(call_id, at_ms, account.sub, alert_id, reason)
        )

    async def end(self, account: Account, call_id: str) -> None:
        at_ms = self._of_his_call(account, call_id)
        reason = "ended_by_agent" if account.role == Role.AGENT else "ended_by_supervisor"
        await self._desk.command(lambda director: director.end(call_id, at_ms, reason))

    # ------------------------------------------------------------ checks

    def _known(self, call_id: str) -> CallState:
        if not self._shown.has(call_id):
            raise no_such_call()
        return self._shown.call(call_id)

    def _live(self, call_id: str) -> CallState:
        call = self._known(call_id)
        if not call.is_live:
            raise Problem(409, "Call ended", "This call is over.")
        return call

    def _of_his_call(self, account: Account, call_id: str) -> int:
        """Now, on the clock of a live call that is the account's to act on."""
        is_his = account.role in ALL_CALLS or (
            self._shown.has(call_id)
            and self._shown.call(call_id).seat_of(account.sub, Role.AGENT) is not None
        )
        if not is_his:
            raise no_such_call()
        self._live(call_id)
        return self._desk.at_ms(call_id)

    def _seat_given(self, call_id: str, seat_id: str) -> dict[str, Any]:
        seat = self._shown.call(call_id).seats[seat_id]
        return {"seat_id": seat_id, "seat_token": mint_seat_token(self._tokens, call_id, seat)}


def _own_customer(account: Account) -> str:
    """Who calls, if it is a customer's own account; an integration calls for others."""
    return account.sub if account.role == Role.CUSTOMER else ""


def _escalation_of(facts: Sequence[Fact]) -> str:
    found = next((fact.escalation_id for fact in facts if isinstance(fact, EscalationRaised)), None)
    if found is None:
        raise Problem(409, "Escalated already", "A person is being asked for already.")
    return found

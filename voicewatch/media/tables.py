"""Who hears whom in a call's room: the table in force, for the legs and the sounds that are there."""

from __future__ import annotations

from collections.abc import Set

from voicewatch.core.audibility import HOLD, NOTICE
from voicewatch.core.events import Role
from voicewatch.media.leg import Leg
from voicewatch.media.prompt import Prompt, Prompts
from voicewatch.media.room import Hears, Voice
from voicewatch.media.seats import Call


class Tables:
    """Puts tables into rooms; the sounds are those of this process."""

    def __init__(self, prompts: Prompts) -> None:
        self._prompts = prompts

    def put_in_force(self, call: Call) -> None:
        """Give the room the table in force, for the legs that are there."""
        call.is_restless, call.fed = True, None
        table = call.switch.table
        voices: dict[str, Voice] = {
            seat_id: seat.leg for seat_id, seat in call.seats.items() if seat.leg is not None
        }
        voices |= self._prompts_of(call, frozenset().union(*table.values()))
        hears: dict[Leg, Hears] = {}
        for listener, seat in call.seats.items():
            if seat.attached is not None and seat.attached.leg is not None:
                heard = {voices[speaker] for speaker in table.get(listener, ()) if speaker in voices}
                keys = call.keys.get(listener)
                hears[seat.attached.leg] = frozenset(heard if keys is None else {*heard, keys})
        call.room.set_hears(hears)
        customers = {
            seat.seat_id
            for seat in call.seats.values()
            if seat.role is Role.CUSTOMER and HOLD not in table.get(seat.seat_id, ())
        }
        fed = customers.union(*(table.get(customer, frozenset()) for customer in customers))
        for seat in call.seats.values():
            seat.fed = seat.seat_id in fed

    def _prompts_of(self, call: Call, named: Set[str]) -> dict[str, Prompt]:
        """Those of the table, begun when they come into it and forgotten when they leave it."""
        for name in (HOLD, NOTICE):
            if name not in named:
                call.prompts.pop(name, None)
            elif name not in call.prompts:
                call.prompts[name] = (
                    Prompt(self._prompts.hold, loops=True)
                    if name == HOLD
                    else Prompt(self._prompts.notices[call.switch.notice])
                )
        return call.prompts

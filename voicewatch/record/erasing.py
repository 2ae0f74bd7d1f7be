"""Erasing while no server runs: the same as a server does it, without one."""

from __future__ import annotations

from pathlib import Path

from voicewatch.core.ids import customer_key
from voicewatch.record.archive import Archive
from voicewatch.record.ledger import Ledger


def erase_here(data: Path, by: str, reason: str, *, call_id: str = "", customer_id: str = "") -> list[str]:
    """The calls that were erased: the one named, or all of a customer's; [] if there is none.

    The caller holds the data folder. Raises JournalFailed, and OSError if files cannot be removed.
    """
    ledger = Ledger(data / "journal")
    try:
        ledger.check()
        if call_id:
            found = [call_id] if ledger.read(call_id, 0) else []
        else:
            found = ledger.calls_of_customer(customer_key(customer_id))
        archive = Archive(data / "recordings", data / "journal" / "keys.db")
        for one in found:
            ledger.erase(one, by, reason)
            archive.erase(one)
    finally:
        ledger.close()
    return found

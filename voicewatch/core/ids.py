"""Names for things: ULIDs, sortable by time, made from values so that the core stays pure."""

from hashlib import sha256

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(time_ms: int, randomness: bytes) -> str:
    """A ULID (github.com/ulid/spec): 48 bits of Unix milliseconds, then 80 random bits.

    `randomness` is 10 bytes; fewer or more is a ValueError.
    """
    if len(randomness) != 10:
        raise ValueError(f"a ULID needs 10 random bytes, got {len(randomness)}")
    number = (time_ms & (1 << 48) - 1) << 80 | int.from_bytes(randomness, "big")
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def customer_key(customer_id: str) -> str:
    """What stands for a customer in the journal, as his account may hold his name; "" for nobody known.

    It serves to find his calls, not to hide an id that can be guessed.
    """
    return sha256(f"voicewatch customer {customer_id}".encode()).hexdigest()[:32] if customer_id else ""

"""What stays of an order in the journal when its content is removed: a keyed fingerprint. Pure.

It answers one question: is this the order that was submitted under this key before? Two orders have the same
fingerprint where they would be sent as the same request: 51 is 51.00, and a moment is the same in any zone.

It is keyed with a salt that each journal draws for itself, because an order can be guessed: without the salt,
who holds a fingerprint could try personal numbers until one fits.
"""

from __future__ import annotations

from hashlib import blake2b

SALT_BYTES = 32
FINGERPRINT_BYTES = 20


def fingerprint(salt: bytes, kind: str, content: bytes) -> bytes:
    """Return the fingerprint of an order.

    Args:
        salt: The journal's own.
        kind: The name of the operation that sends it.
        content: The order as ``payload.write`` wrote it.
    """
    # The kind is no free text: no two pairs run together the same way.
    return blake2b(kind.encode() + b"\0" + content, key=salt, digest_size=FINGERPRINT_BYTES).digest()

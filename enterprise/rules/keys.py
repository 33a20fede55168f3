"""How an API key is written: `plr_<test|live>_<10 characters that name it>_<43 that prove it>`.

What names it is shown again and again and found by; what proves it is 256 random bits, of which only a hash is kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NAME_LENGTH, PROOF_LENGTH, PROOF_BITS = 10, 43, 256
FORM = re.compile(
    rf"(plr_(?:test|live)_[0-9A-Za-z]{{{NAME_LENGTH}}})_[0-9A-Za-z]{{{PROOF_LENGTH}}}", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it was made or sent. `prefix` names it and may be shown."""

    text: str
    prefix: str

    @property
    def digest(self) -> bytes:
        """What is kept of it. Plain SHA-256: 256 random bits cannot be guessed, so nothing has to slow guessing."""
        return sha256(self.text.encode()).digest()

    def __repr__(self) -> str:
        return f"Key({self.prefix}_…)"


def compose(*, live: bool, name: int, proof: int) -> Key:
    """The key that these random numbers make; `proof` has PROOF_BITS of them."""
    prefix = f"plr_{'live' if live else 'test'}_{_base62(name, NAME_LENGTH)}"
    return Key(f"{prefix}_{_base62(proof, PROOF_LENGTH)}", prefix)


def parse(text: str) -> Key | None:
    """The key, or None for what cannot be one."""
    match = FORM.fullmatch(text)
    return Key(text, match[1]) if match else None


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))

"""Object ids that look like Stripe's."""

import hashlib
import secrets
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

# Ids as Stripe gives them: the short ones are 14 characters, those made of account and time 24.
SHORT = {"cus", "prod", "si", "il_tmp"}


class Ids:
    """Random, or with a seed a fixed sequence that goes on from `count` after a restart."""

    def __init__(self, seed: str | None = None, count: int = 0) -> None:
        self._seed = seed
        self.count = count

    def token(self, length: int) -> str:
        self.count += 1
        if self._seed is None:
            return "".join(secrets.choice(ALPHABET) for _ in range(length))
        number = int.from_bytes(hashlib.sha512(f"{self._seed}:{self.count}".encode()).digest(), "big")
        digits = []
        for _ in range(length):
            number, index = divmod(number, len(ALPHABET))
            digits.append(ALPHABET[index])
        return "".join(digits)

    def new(self, prefix: str) -> str:
        return f"{prefix}_{self.token(14)}" if prefix in SHORT else f"{prefix}_1{self.token(23)}"

"""The names of an organisation's API keys on the page of use."""

from collections.abc import Sequence

from billing.pages.usage.keys import Key, register
from enterprise.selectors import credentials_of


def keys_of_account(account_id: int) -> Sequence[Key]:
    """All of them, also those revoked: what they used is still shown."""
    rows = credentials_of(account_id).order_by("created_at", "id").values_list("pk", "public_id", "name")
    return [Key(*row) for row in rows]


def connect() -> None:
    register(keys_of_account)

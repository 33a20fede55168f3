"""An organisation's part of its account's story: the contract, its keys."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.urls import reverse

from accounts.admin.people import UUID_TEXT
from accounts.admin.story import Finder, Found, Link, Panel, Table, register
from accounts.models import Account
from enterprise.models import Contract, Credential
from enterprise.selectors.contracts import contract_at, period_at, terms_at, terms_of

KEY = re.compile(r"(plr_(?:test|live)_[0-9A-Za-z]{1,20})(?:_[0-9A-Za-z]*)?", re.ASCII)
"""A key or the part that names it. What proves it is never looked at."""


def by_key(text: str) -> Iterable[Found]:
    matched = KEY.fullmatch(text)
    if matched is None:
        return []
    rows = Credential.objects.filter(prefix=matched[1])
    return (Found(row.account_id, f"API key {row.prefix}") for row in rows)


def by_contract(text: str) -> Iterable[Found]:
    if UUID_TEXT.fullmatch(text):
        rows = Contract.objects.filter(public_id=text)
        yield from (Found(row.account_id, f"contract {row.public_id}") for row in rows)


def contract_panel(account: Account, now: datetime) -> Table | None:
    contract = contract_at(account.pk, now)
    if contract is None:
        return None
    start, end = period_at(contract, now)
    rows: list[tuple[Any, Any]] = [
        (
            "Contract",
            Link(str(contract.public_id), reverse("admin:enterprise_contract_change", args=[contract.pk])),
        ),
        (
            "Runs",
            f"{contract.starts_at:%Y-%m-%d} – {f'{contract.ends_at:%Y-%m-%d}' if contract.ends_at else 'further notice'}",
        ),
        ("Period", f"{start:%Y-%m-%d} – {end:%Y-%m-%d}"),
        ("Paid by", contract.get_collection_display()),
    ]
    terms = terms_at(contract, now)
    for one in terms_of(terms) if terms else ():
        limit = "unlimited" if one.limit_units is None else one.limit_units
        price = f", {one.overage_price} each past it" if one.overage_price is not None else ""
        rows.append((f"{one.metric} per {one.window}", f"{limit}, {one.mode}{price}"))
    return Table((), rows)


def keys_panel(account: Account, now: datetime) -> Table | None:
    rows = [
        (one.prefix, one.name, ", ".join(one.scopes), one.last_used_at or "never", _state(one, now))
        for one in Credential.objects.filter(account=account).order_by("-created_at")[:20]
    ]
    return Table(("API key", "Name", "Scopes", "Last used", "State"), rows) if rows else None


def _state(key: Credential, now: datetime) -> str:
    if key.revoked_at is not None and key.revoked_at <= now:
        return f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
    if key.expires_at is not None and key.expires_at <= now:
        return f"expired {key.expires_at:%Y-%m-%d %H:%M}"
    return f"until {key.expires_at:%Y-%m-%d %H:%M}" if key.expires_at else "active"


register(
    Finder("key", "enterprise.view_credential", by_key),
    Finder("contract", "enterprise.view_contract", by_contract),
    Panel("contract", "Contract", "enterprise.view_contract", contract_panel, order=15),
    Panel("keys", "API keys", "enterprise.view_credential", keys_panel, order=70),
)

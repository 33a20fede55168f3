"""Whether what was charged past the credits is what Stripe will ask for: charges of the period against items there."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from uuid import UUID

from accounts.models import Account
from billing.enums import ChargeStatus
from billing.gateways.invoice_items import InvoiceItemState
from billing.gateways.stripe import gateway
from billing.models import OverageCharge, Subscription
from billing.services.drift import Difference, Kind

SKEW = timedelta(minutes=5)
"""How far Stripe's clock may be behind ours where a period begins."""


def overage_differences(account: Account, live: Subscription | None) -> list[Difference]:
    """What differs for one account in its running period. Only an item's id is mended; money is for a person."""
    if live is None or live.current_period_start is None or live.stripe_subscription_id is None:
        return []
    if live.plan_version.overage_minor_per_credit is None or account.stripe_customer_id is None:
        return []
    since = live.current_period_start
    items = gateway.invoice_items(customer_id=account.stripe_customer_id, since=since - SKEW)
    there = {str(item.charge_ref): item for item in items}
    charges = OverageCharge.objects.filter(account=account)
    taken = charges.filter(
        status=ChargeStatus.ACCEPTED, reversal_requested_at__isnull=True, requested_at__gte=since
    )
    found = [_of_charge(one, there.get(str(one.pk))) for one in taken.order_by("requested_at")]
    known = {str(pk): status for pk, status in charges.filter(pk__in=_ids(there)).values_list("pk", "status")}
    for ref, item in there.items():
        if known.get(ref, ChargeStatus.FAILED) == ChargeStatus.FAILED:
            found.append(_difference(account.pk, ref, known.get(ref, "none"), _text(item)))
    return [one for one in found if one is not None]


def _of_charge(charge: OverageCharge, item: InvoiceItemState | None) -> Difference | None:
    ours, theirs = f"{charge.stripe_item_id}: {charge.amount_minor} {charge.currency}", _text(item)
    if ours == theirs:
        return None
    difference = _difference(charge.account_id, str(charge.pk), ours, theirs)
    if item is None or (item.amount_minor, item.currency) != (charge.amount_minor, charge.currency):
        return difference
    name = partial(OverageCharge.objects.filter(pk=charge.pk).update, stripe_item_id=item.id)
    return Difference(charge.account_id, Kind.OVERAGE_ITEM, difference.subject, ours, theirs, name)


def _difference(account_id: int, ref: str, ours: str, theirs: str) -> Difference:
    return Difference(account_id, Kind.OVERAGE_ITEM, ref, ours, theirs)


def _text(item: InvoiceItemState | None) -> str:
    return "none" if item is None else f"{item.id}: {item.amount_minor} {item.currency}"


def _ids(refs: dict[str, InvoiceItemState]) -> list[UUID]:
    """Those that are ids of ours; anything can be written at Stripe."""
    found = []
    for ref in refs:
        try:
            found.append(UUID(ref))
        except ValueError:
            continue
    return found

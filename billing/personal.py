"""What billing keeps about a person: what is paid ends first; invoices and the history of changes stay, without names."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account
from accounts.personal import Holder, Person, register
from billing.gateways.stripe import gateway
from billing.mirror import FORGET, cards_of
from billing.selectors import (
    live_subscription,
    plan_change_history,
    plan_change_json,
    scheduled_change,
    subscription_json,
)
from billing.services.endings import plan_change_undo, subscription_cancel
from billing.services.entitlements import subscription_entitle
from billing.services.outcomes import subscription_close
from common import outbox
from common.formats import date_text

REQUEST = "account-deletion"
PAGE = 100


def export(who: Person) -> dict[str, Any]:
    if who.account is None:
        return {}
    live = live_subscription(who.account.pk)
    return {
        "subscription": subscription_json(live) if live else None,
        "plan_changes": [plan_change_json(one) for one in plan_change_history(who.account.pk)],
        "invoices": list(_invoices(who.account)),
    }


def _invoices(account: Account) -> Iterator[dict[str, Any]]:
    """Every invoice, page by page."""
    if not account.stripe_customer_id:
        return
    after, more = None, True
    while more:
        page, more = gateway.invoices(
            customer_id=account.stripe_customer_id, limit=PAGE, starting_after=after
        )
        for one in page:
            yield {
                "number": one.number,
                "status": one.status,
                "total_minor": one.total_minor,
                "currency": one.currency,
                "issued_at": one.issued_at,
            }
            after = one.id


def lost(who: Person) -> list[str]:
    live = live_subscription(who.account.pk) if who.account else None
    if live is None or live.stripe_subscription_id is None:
        return []
    names = {"plan": live.plan.name, "date": date_text(live.current_period_end or live.started_at)}
    return [
        _("Your plan %(plan)s ends at once, though it is paid until %(date)s. Nothing is paid back.") % names,
        _("Your cards are removed. No further payment is taken."),
    ]


def end(who: Person, now: datetime) -> None:
    """The live subscription at Stripe, whatever is scheduled for it."""
    if who.account is None:
        return
    if scheduled_change(who.account.pk) is not None:
        plan_change_undo(account=who.account, user=who.user, request_id=REQUEST, now=now)
    live = live_subscription(who.account.pk)
    if live is not None and live.stripe_subscription_id is not None:
        subscription_cancel(
            account=who.account, user=who.user, at="now", idempotency_key=None, request_id=REQUEST, now=now
        )


def erase(who: Person, now: datetime) -> None:
    if who.account is None:
        return
    live = live_subscription(who.account.pk)
    if live is not None:
        assert live.stripe_subscription_id is None, "what is paid has ended before anything is erased"
        subscription_close(live, status="canceled", moment=now)
    subscription_entitle(account_id=who.account.pk, subscription=None, scheduled=None, now=now)
    if who.account.stripe_customer_id:
        customer_id = who.account.stripe_customer_id
        payload = {"customer_id": customer_id, "cards": cards_of(customer_id)}
        outbox.promise(FORGET, payload, dedupe_key=f"forget:{customer_id}", now=now)


register(Holder("billing", export, erase, end=end, lost=lost))

"""What billing keeps about a person: what is paid ends first; invoices and the history of changes stay, without names."""

from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _

from accounts.models import Account, AccountKind
from accounts.personal import Holder, Person, register
from billing.gateways.stripe import gateway
from billing.mirror import EMAIL, FORGET, cards_of, words_forget
from billing.models import (
    Dispute,
    OverageCharge,
    PaymentAttempt,
    Refund,
    SpendCap,
    Withdrawal,
)
from billing.selectors import (
    live_subscription,
    plan_change_attempts,
    plan_change_json,
    subscription_json,
)
from billing.services.customers import payment_methods_list
from billing.services.details import billing_details
from billing.services.endings import subscription_end
from billing.services.entitlements import subscription_entitle
from billing.services.outcomes import subscription_close
from common import outbox
from common.formats import date_text

REQUEST = "account-deletion"
PAGE = 100
SUM = ("amount_minor", "currency")
PAYMENT = (*SUM, "refunded_minor", "card_brand", "card_last4", "outcome", "reason_code", "attempted_at")
WITHDRAWAL = ("paid_minor", "refund_minor", "currency", "requested_at", "completed_at")
DISPUTE = (*SUM, "reason", "status", "opened_at")
REFUND = (*SUM, "kind", "status", "reason", "requested_at", "settled_at")
CHARGE = (*SUM, "metric", "units", "work_ref", "status", "requested_at", "reversed_at", "reversal_reason")


def export(who: Person) -> dict[str, Any]:
    if who.account is None:
        return {}
    live = live_subscription(who.account.pk)
    cap = SpendCap.objects.filter(account=who.account).first()
    return {
        "customer": who.account.stripe_customer_id,
        "billing_details": asdict(billing_details(account=who.account)),
        "payment_methods": [asdict(one) for one in payment_methods_list(account=who.account)[0]],
        "subscription": subscription_json(live) if live else None,
        "plan_changes": [
            plan_change_json(one) | {"reason": one.reason} for one in plan_change_attempts(who.account.pk)
        ],
        "invoices": list(_invoices(who.account)),
        "payments": list(
            PaymentAttempt.objects.filter(account=who.account).order_by("attempted_at").values(*PAYMENT)
        ),
        "withdrawals": list(
            Withdrawal.objects.filter(account=who.account).order_by("requested_at").values(*WITHDRAWAL)
        ),
        "refunds": list(Refund.objects.filter(account=who.account).order_by("requested_at").values(*REFUND)),
        "disputes": list(Dispute.objects.filter(account=who.account).order_by("opened_at").values(*DISPUTE)),
        "charges": list(
            OverageCharge.objects.filter(account=who.account).order_by("requested_at").values(*CHARGE)
        ),
        "spend_cap": {"cap_minor": cap.cap_minor, "currency": cap.currency} if cap else None,
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
    """The live subscription at Stripe, whatever is scheduled for it or waits to be paid."""
    if who.account is not None:
        subscription_end(account=who.account, user=who.user, request_id=REQUEST, now=now)


def erase(who: Person, now: datetime) -> None:
    for organisation in Account.objects.filter(
        kind=AccountKind.ORGANISATION, billing_email__iexact=who.user.email
    ).exclude(stripe_customer_id=None):
        outbox.promise(EMAIL, {"account_id": organisation.pk}, now=now)
    if who.account is None:
        return
    live = live_subscription(who.account.pk)
    if live is not None:
        assert live.stripe_subscription_id is None, "what is paid has ended before anything is erased"
        subscription_close(live, status="canceled", moment=now)
    subscription_entitle(account_id=who.account.pk, subscription=None, scheduled=None, now=now)
    words_forget(account_id=who.account.pk)
    if who.account.stripe_customer_id:
        customer_id = who.account.stripe_customer_id
        payload = {
            "account_id": who.account.pk,
            "customer_id": customer_id,
            "cards": cards_of(customer_id),
        }
        outbox.promise(FORGET, payload, dedupe_key=f"forget:{customer_id}", now=now)


register(Holder("billing", export, erase, end=end, lost=lost))

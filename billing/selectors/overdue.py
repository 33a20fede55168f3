"""What is owed, and what follows from it by the declared rules."""

import functools
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from billing.enums import Access, AttemptOutcome, ChangeKind, SubscriptionStatus
from billing.errors import OverdueRulesInvalid
from billing.models import PaymentAttempt, Subscription, UnpaidInvoice
from billing.rules.overdue import (
    OWING,
    Debt,
    OverduePolicy,
    OverdueRule,
    Step,
    access_by,
    debt_of,
    read_policy,
    rule_at,
    steps_from,
)


def overdue_policy() -> OverduePolicy:
    """The declared rules; read once for each process. Raises OverdueRulesInvalid with every problem."""
    return _read(Path(settings.OVERDUE_FILE))


@functools.cache
def _read(path: Path) -> OverduePolicy:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise OverdueRulesInvalid([f"{path.name}: cannot be read ({error.strerror})"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OverdueRulesInvalid([f"{path.name}: {error}"]) from error
    return read_policy(data)


def unpaid_invoices(subscription: Subscription) -> list[UnpaidInvoice]:
    """What is owed on it, oldest first; asks the database only when its status says that something is."""
    if subscription.status not in OWING:
        return []
    return list(subscription.unpaid_invoices.order_by("owed_since", "stripe_invoice_id"))


def debt_on(subscription: Subscription) -> Debt | None:
    return debt_of([(one.owed_since, one.attempts) for one in unpaid_invoices(subscription)])


def overdue_rule(subscription: Subscription, *, now: datetime) -> OverdueRule | None:
    """The rule that counts at `now`; None when nothing is overdue."""
    if subscription.status not in OWING:
        return None
    return rule_at(overdue_policy(), status=subscription.status, debt=debt_on(subscription), now=now)


def held_up_by_debts(subscription: Subscription, kind: ChangeKind, *, now: datetime) -> bool:
    """Whether what is unpaid forbids a change of plan of that kind; nothing goes up before its start is paid."""
    if subscription.status == SubscriptionStatus.INCOMPLETE:
        return kind == ChangeKind.UPGRADE
    rule = overdue_rule(subscription, now=now)
    return rule is not None and kind.value not in rule.plan_changes


def overdue_steps(subscription: Subscription, *, now: datetime) -> list[Step]:
    """What holds now and later if nothing is paid; empty when nothing is overdue."""
    if subscription.status not in OWING:
        return []
    return steps_from(overdue_policy(), status=subscription.status, debt=debt_on(subscription), now=now)


def access_at(subscription: Subscription, *, now: datetime) -> Access:
    """What the account may use at `now`: by the rules where something is overdue, whoever is late to write it down."""
    if subscription.ended_at is not None:
        return Access.ENDED
    debt = debt_on(subscription)
    return access_by(overdue_policy(), status=subscription.status, debt=debt, now=now)


@dataclass(frozen=True, slots=True)
class OverdueNotice:
    """What there is to say of an overdue payment.

    `amount_minor` is the sum of `invoices`; `to_confirm`: the ids of those for which the bank asks the payer. `next_attempt_at`: when Stripe tries again by itself; None when it will
    not. `full_until`: until when access is full; None when it is not any more. `ends_at`: when the subscription ends.
    """

    state: str
    plan_name: str
    invoices: tuple[UnpaidInvoice, ...]
    amount_minor: int
    currency: str
    since: datetime
    next_attempt_at: datetime | None
    full_until: datetime | None
    ends_at: datetime | None
    to_confirm: frozenset[str] = frozenset()

    @property
    def amount(self) -> dict[str, str | int]:
        return {"amount_minor": self.amount_minor, "currency": self.currency}

    @property
    def wants_confirmation(self) -> bool:
        """Nothing was refused: the bank only asks."""
        return all(one.stripe_invoice_id in self.to_confirm for one in self.invoices)


def overdue_notice(subscription: Subscription | None, *, now: datetime) -> OverdueNotice | None:
    """None when nothing is owed."""
    invoices = unpaid_invoices(subscription) if subscription is not None else []
    if subscription is None or not invoices:
        return None
    steps = overdue_steps(subscription, now=now)
    reduced = [one for one in steps if one.rule.access != Access.GRACE]
    attempts = [one.next_attempt_at for one in invoices if one.next_attempt_at is not None]
    return OverdueNotice(
        state=steps[0].rule.state,
        plan_name=subscription.plan.name,
        invoices=tuple(invoices),
        amount_minor=sum(one.amount_minor for one in invoices),
        currency=invoices[0].currency,
        since=invoices[0].owed_since,
        next_attempt_at=min(attempts, default=None),
        full_until=reduced[0].at if reduced and reduced[0].at > now else None,
        ends_at=next((one.at for one in steps if one.rule.ends), None),
        to_confirm=_to_confirm(invoices),
    )


def _to_confirm(invoices: Sequence[UnpaidInvoice]) -> frozenset[str]:
    """Those whose payment waits for the bank's question to be answered, as Stripe last showed."""
    waiting = PaymentAttempt.objects.filter(
        stripe_invoice_id__in=[one.stripe_invoice_id for one in invoices],
        outcome=AttemptOutcome.ACTION_REQUIRED,
    )
    return frozenset(waiting.values_list("stripe_invoice_id", flat=True))

"""Counting what a key asks for: within the limits, by credits, and past them by a charge, as one split.

The meter is asked first, so that whatever needs no charge costs one decision. Only what it refuses for want of credits
is charged (billing's usage_spend), each operation once for its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from uuid import uuid4

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from accounts.models import Account
from billing.errors import OveragePending
from billing.models import OverageCharge
from billing.services import (
    Spend,
    overage_affordable,
    overage_terms,
    spend_reverse,
    spends_begun,
    usage_spend,
)
from common.errors import DomainError, ServiceUnavailable
from enterprise.models import Credential
from quotas.bulk import Consumption, usage_consume_all
from quotas.errors import InsufficientCredits
from quotas.refusals import raise_for_refusal
from quotas.remedies import API_DOCS_URL
from quotas.selectors import quota_status
from quotas.services import usage_check, usage_consume, usage_reserve
from quotas.values import Decision, Refusal

LONGEST_PLAIN_KEY = 150
NOT_CONFIRMED = gettext_noop("the charge was not confirmed")
MOST_CHARGES = 50
"""So many operations of one batch are charged at the payment service at most; each is a call of its own."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was counted, and what was charged for it."""

    decision: Decision
    charge: OverageCharge | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose key asks, and when."""

    account: Account
    credential: Credential
    request_id: str
    now: datetime

    @property
    def credential_id(self) -> int:
        return self.credential.pk

    def own(self, key: str) -> str:
        """What the caller calls `key`, told apart from what the organisation's other API keys call so.

        It may be as long as the meter's own keys, which need room for what they are.
        """
        name = key if len(key) <= LONGEST_PLAIN_KEY else sha256(key.encode()).hexdigest()
        return f"{self.credential.public_id}:{name}"


def use_check(*, account: Account, metric: str, units: int, now: datetime) -> Decision:
    """What a consumption would be told now, overage included."""
    decision = usage_check(account_id=account.pk, metric=metric, units=units)
    if decision.refusal != Refusal.INSUFFICIENT_CREDITS:
        return decision
    terms = overage_terms(account=account, now=now)
    if terms is None:
        return decision
    charged = usage_check(account_id=account.pk, metric=metric, units=units, overage_units=units)
    affordable = charged.allowed and overage_affordable(
        account=account, metric=metric, units=charged.split.overage, terms=terms, now=now
    )
    return charged if affordable else decision


def use_take(*, caller: Caller, metric: str, units: int, subject: str, key: str | None) -> Taken:
    """Count now. Raises the meter's refusals, the errors of a charge, and OveragePending while one is not confirmed."""
    own_key = None if key is None else caller.own(key)
    asked = Consumption(metric, units, own_key or str(uuid4()), subject)
    if own_key is not None and _spent_before(caller, [asked]):
        return _charged(caller, asked, is_keyed=True)
    decision = usage_consume(
        account_id=caller.account.pk,
        metric=metric,
        units=units,
        key=own_key,
        credential_id=caller.credential_id,
        subject=subject,
        request_id=caller.request_id,
    )
    if decision.refusal == Refusal.INSUFFICIENT_CREDITS:
        return _charged(caller, asked, is_keyed=key is not None)
    return Taken(raise_for_refusal(decision))


def use_hold(
    *, caller: Caller, metric: str, units: int, subject: str, ttl_s: int, key: str | None
) -> Decision:
    """Set aside, as far as limits and credits go. Raises the meter's refusals.

    Nothing past the credits is set aside: a charge has to be accepted before the work begins, and how much of a
    reservation will be used is known only after it. Whoever could consume that much is told so, with the way on.
    """
    held = usage_reserve(
        account_id=caller.account.pk,
        metric=metric,
        units=units,
        ttl_s=ttl_s,
        key=None if key is None else caller.own(key),
        credential_id=caller.credential_id,
        subject=subject,
        request_id=caller.request_id,
    )
    try:
        return raise_for_refusal(held)
    except InsufficientCredits as error:
        if overage_terms(account=caller.account, now=caller.now) is not None:
            error.message = _(
                "A reservation goes as far as the credits do. What is past them is charged when it is consumed."
            )
            error.details["reason"] = "reservations_are_not_charged"
            error.details["remedies"].insert(0, {"action": "consume", "url": API_DOCS_URL})
        raise


def use_take_all(*, caller: Caller, operations: Sequence[Consumption]) -> list[Taken | DomainError]:
    """As `use_take` for each, in order, none failing the others. Those past MOST_CHARGES that would be charged are told
    to come again.
    """
    operations = [replace(one, key=caller.own(one.key)) for one in operations]
    before = _spent_before(caller, operations)
    plain = [one for one in operations if one.key not in before]
    decided = iter(
        usage_consume_all(
            account_id=caller.account.pk,
            operations=plain,
            credential_id=caller.credential_id,
            request_id=caller.request_id,
        )
    )
    outcomes: list[Taken | DomainError] = []
    charges = 0
    for one in operations:
        outcome = None if one.key in before else next(decided)
        if isinstance(outcome, Decision) and outcome.refusal != Refusal.INSUFFICIENT_CREDITS:
            outcomes.append(_told(outcome))
        elif isinstance(outcome, DomainError):
            outcomes.append(outcome)
        elif charges == MOST_CHARGES:
            outcomes.append(ServiceUnavailable(details={"reason": "too_many_charges"}))
        else:
            charges += 1
            outcomes.append(_charged_or_error(caller, one))
    return outcomes


def _spent_before(caller: Caller, operations: Sequence[Consumption]) -> set[str]:
    """The keys that were past the credits before. They are not asked of the meter anew: it would count them again."""
    by_work = {_work_key(one.key): one.key for one in operations}
    return {by_work[key] for key in spends_begun(account_id=caller.account.pk, keys=by_work)}


def _work_key(key: str) -> str:
    return f"use:{key}"


def _told(decision: Decision) -> Taken | DomainError:
    try:
        return Taken(raise_for_refusal(decision))
    except DomainError as error:
        return error


def _charged_or_error(caller: Caller, one: Consumption) -> Taken | DomainError:
    try:
        return _charged(caller, one, is_keyed=True)
    except DomainError as error:
        return error


def _charged(caller: Caller, one: Consumption, *, is_keyed: bool) -> Taken:
    spend = usage_spend(
        account=caller.account,
        metric=one.metric,
        units=one.units,
        key=_work_key(one.key),
        credential_id=caller.credential_id,
        subject=one.subject,
        request_id=caller.request_id,
        now=caller.now,
    )
    if spend.is_pending:
        raise _pending(caller, spend, is_keyed)
    decision = Decision(
        account_id=caller.account.pk,
        metric=one.metric,
        units=spend.units,
        allowed=True,
        decided_at=caller.now,
        split=spend.split,
        record_id=spend.record_id,
        lazy_bounds=tuple(quota_status(account_id=caller.account.pk, metric=one.metric)),
    )
    return Taken(decision, spend.charge)


def _pending(caller: Caller, spend: Spend, is_keyed: bool) -> OveragePending:
    """Nobody can ask again for a request without a key: it is taken back as soon as it is known."""
    assert spend.charge is not None, "only a charge can be pending"
    details: dict[str, object] = {"overage_charge": str(spend.charge.pk)}
    if not is_keyed:
        account_id = caller.account.pk
        details["reversed"] = spend_reverse(
            account_id=account_id, spend=spend, reason=NOT_CONFIRMED, now=caller.now
        )
    return OveragePending(details=details)

"""Making and amending contracts. Their limits are pushed to the meter in the same transaction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from accounts.locks import lock_account
from accounts.models import Account, AccountKind, User
from billing.services.stored import stored_fit_promise
from common import audit
from common.errors import ValidationError
from enterprise.enums import Collection
from enterprise.models import Closing, Contract, ContractLimit, ContractTerms
from enterprise.models.contracts import NEVER_BEGAN
from enterprise.rules.contracts import LimitTerms
from enterprise.selectors.contracts import terms_of
from quotas import catalog
from quotas.enums import Mode, Source, Window
from quotas.services import LimitSpec, Phase, entitlements_replace

MOST_LIMITS = 50
LARGEST_LIMIT = 10**15
LARGEST_PRICE = Decimal(10**9)
PRICE_PLACES = 6
MAX_TITLE_LENGTH, MAX_REASON_LENGTH = 120, 200
LONGEST_PERIOD = 36
CURRENCY = re.compile(r"[a-z]{3}", re.ASCII)


@transaction.atomic
def contract_create(
    *,
    account: Account,
    title: str,
    currency: str,
    limits: Sequence[LimitTerms],
    starts_at: datetime,
    ends_at: datetime | None = None,
    period_months: int = 1,
    collection: str = Collection.INVOICE,
    actor: User | str | None,
    reason: str,
    now: datetime,
) -> Contract:
    """A new contract. ValidationError for limits that cannot be, for an organisation that is closed, or when another
    contract holds in that time.
    """
    if account.kind != AccountKind.ORGANISATION:
        raise ValidationError.of("account", "not_an_organisation", _("Contracts are for organisations."))
    _check_head(title, currency, period_months)
    _check_limits(limits)
    _check_reason(reason)
    if ends_at is not None and ends_at <= max(starts_at, now):
        raise ValidationError.of("ends_at", "out_of_range", _("A contract ends after it begins."))
    lock_account(account.pk)
    if Closing.objects.filter(account=account).exists():
        raise ValidationError.of("account", "closed", _("This organisation is closed."))
    _check_alone(account.pk, starts_at, ends_at)
    contract = Contract.objects.create(
        account=account,
        title=title,
        currency=currency,
        collection=Collection(collection),
        period_months=period_months,
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=now,
    )
    _terms_add(contract, 1, limits, effective_at=starts_at, ends_at=ends_at, reason=reason, now=now)
    entitlements_push(account_id=account.pk, now=now, reason=reason)
    _audit("contract.created", contract, limits, actor=actor, reason=reason, now=now)
    return contract


@transaction.atomic
def contract_amend(
    *,
    contract: Contract,
    limits: Sequence[LimitTerms] | None = None,
    ends_at: datetime | None,
    effective_at: datetime | None = None,
    actor: User | str | None,
    reason: str,
    now: datetime,
) -> ContractTerms:
    """Other terms from `effective_at` (now) on; `limits` None: as before. What was used stays used.

    `ends_at` is said anew each time: None is until further notice, `now` is at once. ValidationError when the contract
    has ended, or for a moment that has passed or lies before a later amendment.
    """
    if limits is not None:
        _check_limits(limits)
    _check_reason(reason)
    lock_account(contract.account_id)
    contract.refresh_from_db()
    latest = contract.terms.order_by("-number").first()
    assert latest is not None, "a contract has terms"
    begins = max(effective_at or now, contract.starts_at)
    if contract.ends_at is not None and contract.ends_at <= now:
        raise ValidationError.of("contract", "ended", _("This contract has ended. Make a new one."))
    if begins < now or begins < latest.effective_at:
        raise ValidationError.of(
            "effective_at", "past", _("An amendment holds from now on, after the ones before.")
        )
    if ends_at is not None and ends_at < begins:
        raise ValidationError.of("ends_at", "out_of_range", _("A contract ends after it begins."))
    _check_alone(contract.account_id, contract.starts_at, ends_at, but=contract.pk)
    agreed = terms_of(latest) if limits is None else tuple(limits)
    terms = _terms_add(
        contract,
        latest.number + 1,
        agreed,
        effective_at=begins,
        ends_at=ends_at,
        reason=reason,
        now=now,
    )
    contract.ends_at = ends_at
    contract.save(update_fields=["ends_at"])
    entitlements_push(account_id=contract.account_id, now=now, reason=reason)
    _audit(
        "contract.amended",
        contract,
        agreed,
        actor=actor,
        reason=reason,
        now=now,
        number=terms.number,
        effective_at=begins,
    )
    return terms


def contract_end(
    *, contract: Contract, at: datetime | None = None, actor: User | str | None, reason: str, now: datetime
) -> ContractTerms:
    """Let it end, now or at a later moment; one that is still to come never begins.

    What was used stays used and is invoiced. ValidationError when it has ended, or for a moment that has passed.
    """
    ends_at = max(at or now, contract.starts_at)
    return contract_amend(contract=contract, ends_at=ends_at, actor=actor, reason=reason, now=now)


def entitlements_push(*, account_id: int, now: datetime, reason: str) -> None:
    """Tell the meter what the account's contracts allow from now on. Repeating changes nothing.

    What is stored is fitted to it, now and at each later moment at which the contracts change.
    """
    contracts = list(contracts_ahead(now).filter(account_id=account_id))
    timeline = [phase for contract in contracts for phase in contract_phases(contract)]
    entitlements_replace(
        account_id=account_id,
        source=Source.CONTRACT,
        source_ref=str(contracts[0].public_id) if contracts else "",
        timeline=timeline,
        now=now,
        reason=reason,
    )
    switches = {moment for phase in timeline for moment in (phase.starts_at, phase.ends_at) if moment}
    later = sorted(moment for moment in switches if moment > now)
    stored_fit_promise(account_id=account_id, now=now, moments=[now, *later])


@transaction.atomic
def contract_limits_mend(*, account_id: int, actor: User | str | None, now: datetime) -> None:
    """Make what the meter has from the account's contracts what they say, whatever stands there."""
    entitlements_push(account_id=account_id, now=now, reason="as the contracts say")
    audit.record(actor=actor, account_id=account_id, action="contract.limits_mended", now=now)


def contracts_ahead(now: datetime) -> QuerySet[Contract]:
    """Those that say something of `now` or later, in the order in which they begin."""
    running = Contract.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now)).exclude(NEVER_BEGAN)
    return running.prefetch_related("terms__limits").order_by("starts_at")


def contract_phases(contract: Contract) -> list[Phase]:
    """One phase for each of the terms, until the next ones or the end; none for a contract that lost its terms."""
    terms = sorted(contract.terms.all(), key=lambda one: one.number)
    ends = [*(one.effective_at for one in terms[1:]), None][: len(terms)]
    return [
        Phase(
            starts_at=one.effective_at,
            ends_at=min((moment for moment in (following, contract.ends_at) if moment), default=None),
            limits=tuple(_spec(limit, contract) for limit in one.limits.all()),
        )
        for one, following in zip(terms, ends, strict=True)
    ]


def _spec(limit: ContractLimit, contract: Contract) -> LimitSpec:
    anchored = limit.window == Window.PERIOD
    return LimitSpec(
        metric=limit.metric,
        window=limit.window,
        limit_units=limit.limit_units,
        mode=limit.mode,
        anchor_at=contract.starts_at if anchored else None,
        period_months=contract.period_months if anchored else None,
    )


def _terms_add(
    contract: Contract,
    number: int,
    limits: Sequence[LimitTerms],
    *,
    effective_at: datetime,
    ends_at: datetime | None,
    reason: str,
    now: datetime,
) -> ContractTerms:
    terms = ContractTerms.objects.create(
        contract=contract,
        number=number,
        effective_at=effective_at,
        ends_at=ends_at,
        reason=reason,
        created_at=now,
    )
    ContractLimit.objects.bulk_create(
        ContractLimit(
            terms=terms,
            metric=limit.metric,
            window=limit.window,
            limit_units=limit.limit_units,
            mode=limit.mode,
            overage_price=limit.overage_price,
        )
        for limit in limits
    )
    return terms


def _check_limits(limits: Sequence[LimitTerms]) -> None:
    if not 1 <= len(limits) <= MOST_LIMITS:
        raise ValidationError.of(
            "limits", "out_of_range", _("Name 1 to %(most)s limits.") % {"most": MOST_LIMITS}
        )
    if len({(limit.metric, limit.window) for limit in limits}) < len(limits):
        raise ValidationError.of("limits", "twice", _("A metric has one limit for each window."))
    prices: dict[str, Decimal] = {}
    for limit in limits:
        _check_limit(limit)
        if (
            limit.overage_price is not None
            and prices.setdefault(limit.metric, limit.overage_price) != limit.overage_price
        ):
            raise ValidationError.of(
                "limits", "two_prices", _("The units of a metric have one overage price.")
            )


def _check_limit(limit: LimitTerms) -> None:
    catalog.metric_id(limit.metric)  # UnknownMetric
    if limit.window not in Window.values:
        raise ValidationError.of("limits", "window", _("There is no such window."))
    if limit.limit_units is not None and not 0 <= limit.limit_units <= LARGEST_LIMIT:
        raise ValidationError.of("limits", "out_of_range", _("A limit is a number of units, or none."))
    price = limit.overage_price
    if limit.mode == Mode.BLOCK and price is None:
        return
    if (
        limit.mode != Mode.OVERAGE
        or price is None
        or limit.limit_units is None
        or limit.window == Window.CAPACITY
    ):
        raise ValidationError.of(
            "limits",
            "overage",
            _("What is charged past a limit needs a limit per time and a price; what is refused, none."),
        )
    if not (0 <= price <= LARGEST_PRICE) or price != round(price, PRICE_PLACES):
        raise ValidationError.of("limits", "price", _("A price is not negative and has at most 6 decimals."))


def _check_head(title: str, currency: str, period_months: int) -> None:
    if not title.strip() or "\0" in title or len(title) > MAX_TITLE_LENGTH:
        raise ValidationError.of("title", "invalid", _("Give it a title of at most 120 characters."))
    if not CURRENCY.fullmatch(currency):
        raise ValidationError.of("currency", "invalid", _("A currency has three small letters, as usd."))
    if not 1 <= period_months <= LONGEST_PERIOD:
        raise ValidationError.of("period_months", "out_of_range", _("A period has 1 to 36 months."))


def _check_reason(reason: str) -> None:
    if not reason.strip() or "\0" in reason or len(reason) > MAX_REASON_LENGTH:
        raise ValidationError.of("reason", "blank", _("Give the reason, in at most 200 characters."))


def _check_alone(account_id: int, starts_at: datetime, ends_at: datetime | None, *, but: int = 0) -> None:
    others = Contract.objects.filter(account_id=account_id).exclude(pk=but)
    others = others.exclude(NEVER_BEGAN)
    others = others.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=starts_at))
    if ends_at is not None:
        others = others.filter(starts_at__lt=ends_at)
    if others.exists():
        raise ValidationError.of("starts_at", "overlap", _("Another contract holds in that time."))


def _audit(
    action: str,
    contract: Contract,
    limits: Sequence[LimitTerms],
    *,
    actor: User | str | None,
    reason: str,
    now: datetime,
    **more: Any,
) -> None:
    told = [
        {
            "metric": limit.metric,
            "window": str(limit.window),
            "limit": limit.limit_units,
            "mode": str(limit.mode),
            "overage_price": None if limit.overage_price is None else str(limit.overage_price),
        }
        for limit in limits
    ]
    audit.record(
        actor=actor,
        account_id=contract.account_id,
        action=action,
        subject=f"contract {contract.public_id}",
        reason=reason,
        data={"limits": told, "ends_at": contract.ends_at, **more},
        now=now,
    )

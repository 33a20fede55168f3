"""An organisation at a glance: limits, what was used, what it costs, which keys did it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.models import Account, User
from accounts.selectors import person_of
from billing.pages.meters import meters_of
from billing.pages.plan_now import plan_now_of
from billing.pages.wallet import balance_of
from billing.pages.words import metric_names
from common import clock
from common.errors import ServiceUnavailable
from enterprise.models import Contract, Credential
from enterprise.pages.access import Place, in_organisation, render_place
from enterprise.rules.contracts import ContractState
from enterprise.selectors.contracts import contracts_of, period_at, prices_at, state_at
from enterprise.selectors.usage import CredentialUse, Summary, usage_summary
from quotas.enums import Source
from quotas.errors import UnknownMetric
from quotas.selectors import quota_status

logger = structlog.get_logger(__name__)

MOST_KEYS = 5
SOON_DAYS = 30


@dataclass(frozen=True)
class KeyUse:
    """A key's part of the month. `share`: whole per cent of what the most used key used."""

    name: str
    credential: Credential | None
    day_units: int
    month_units: int
    share: int

    @property
    def rest(self) -> int:
        return 100 - self.share


@dataclass(frozen=True)
class Standing:
    """The organisation's agreement. At most one of `contract`, `coming` and `ended` needs saying first."""

    contract: Contract | None
    coming: Contract | None
    ended: Contract | None
    ends_soon: bool
    period: tuple[datetime, datetime] | None


@require_safe
@in_organisation()
def overview(request: HttpRequest, place: Place) -> HttpResponse:
    now = clock.now()
    context = {
        "tab": "overview",
        "now": now,
        "standing": standing_of(place.account, now),
        "plan_now": plan_now_of(place.account),
        "crumbs": [(_("Organisation"), "")],
        **use_context(place.account, reader=person_of(request)),
    }
    return render_place(request, place, "overview", context)


def use_context(account: Account, *, reader: User) -> dict[str, Any]:
    """What was used and what it costs. That it cannot be read does not take the rest of the page with it."""
    try:
        summary = usage_summary(account=account, metric=None)
        bounds = quota_status(account_id=account.pk)
        balance = balance_of(account, now=clock.now())
    except (DatabaseError, ServiceUnavailable, UnknownMetric):
        logger.exception("organisation_use_unreadable", account_id=account.pk)
        return {"use_error": True}
    names = metric_names()
    keys = key_uses(summary.by_credential)
    return {
        "meters": meters_of(bounds, names, alerts=reader.usage_thresholds),
        "summary": summary,
        "metric_name": names.get(summary.metric, summary.metric),
        "costs": amounts_of(summary),
        "credits": balance if balance.is_any else None,
        "keys": keys[:MOST_KEYS],
        "more_keys": max(len(keys) - MOST_KEYS, 0),
    }


def amounts_of(summary: Summary) -> dict[str, Any] | None:
    """Cost of overage so far and at the period's end; None where no contract charges any."""
    agreed = summary.part(Source.CONTRACT)
    if summary.contract is None or agreed is None:
        return None
    costs = agreed.costs
    if not (costs.lines or prices_at(summary.contract, summary.at)):
        return None
    return {
        "so_far": {"amount_minor": costs.so_far.amount_minor, "currency": costs.so_far.currency},
        "projected": {"amount_minor": costs.projected.amount_minor, "currency": costs.projected.currency},
        "lines": costs.lines,
    }


def key_uses(uses: Iterable[CredentialUse]) -> list[KeyUse]:
    """The most used this month first."""
    ranked = sorted(uses, key=lambda one: (-one.month_units, -one.day_units))
    most = max((one.month_units for one in ranked), default=0)
    return [
        KeyUse(
            name=one.credential.name if one.credential else _("without a key"),
            credential=one.credential,
            day_units=one.day_units,
            month_units=one.month_units,
            share=one.month_units * 100 // most if most else 0,
        )
        for one in ranked
    ]


def standing_of(account: Account, now: datetime) -> Standing:
    """Which contract holds, comes or has ended."""
    rows = list(contracts_of(account.pk))
    states = {one.pk: state_at(one, now) for one in rows}
    running = next((one for one in rows if states[one.pk] == ContractState.RUNNING), None)
    coming = next((one for one in reversed(rows) if states[one.pk] == ContractState.COMING), None)
    ended = next((one for one in rows if states[one.pk] == ContractState.ENDED), None)
    ends_at = running.ends_at if running else None
    return Standing(
        contract=running,
        coming=coming,
        ended=ended if running is None and coming is None else None,
        ends_soon=ends_at is not None and (ends_at - now).days < SOON_DAYS,
        period=period_at(running, now) if running else None,
    )

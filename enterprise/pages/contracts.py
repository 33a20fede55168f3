"""The contract on a page: what holds, how it came to that, what came before and what comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from billing.pages.words import Names, metric_names, per_window
from common import clock
from common.formats import price_text
from enterprise.enums import Collection, PeriodInvoiceStatus
from enterprise.models import Contract, ContractLimit, ContractTerms, PeriodInvoice
from enterprise.pages.access import Place, in_organisation, render_place
from enterprise.rules.contracts import ContractState
from enterprise.selectors.contracts import contracts_of, period_at, state_at, terms_at
from quotas.enums import Mode


@dataclass(frozen=True)
class LimitRow:
    """A limit as agreed, in words; `price` is empty where calls are refused past it."""

    metric: str
    allowed: str
    price: str
    change: str = ""


@dataclass(frozen=True)
class TermsRow:
    """One of the terms: the first, or an amendment."""

    terms: ContractTerms
    limits: Sequence[LimitRow]
    holds: bool
    is_coming: bool


@dataclass(frozen=True)
class ContractCard:
    """A contract with its whole story, the terms in force first named."""

    contract: Contract
    state: ContractState
    collection: str
    history: Sequence[TermsRow]
    period: tuple[datetime, datetime] | None
    invoices: Sequence[tuple[PeriodInvoice, str]]

    @property
    def limits(self) -> Sequence[LimitRow]:
        """Those that hold now; of a contract that does not hold, the last agreed."""
        return next((row.limits for row in self.history if row.holds), self.history[0].limits)


@require_safe
@in_organisation()
def contract(request: HttpRequest, place: Place) -> HttpResponse:
    now, names = clock.now(), metric_names()
    cards = [card_of(one, now, names) for one in contracts_of(place.account.pk)]
    context = {
        "tab": "contract",
        "now": now,
        "running": [card for card in cards if card.state == ContractState.RUNNING],
        "coming": [card for card in reversed(cards) if card.state == ContractState.COMING],
        "ended": [card for card in cards if card.state == ContractState.ENDED],
        "crumbs": [(_("Organisation"), reverse("organisation")), (_("Contract"), "")],
    }
    return render_place(request, place, "contract", context)


def card_of(one: Contract, now: datetime, names: Names) -> ContractCard:
    state = state_at(one, now)
    held = terms_at(one, now) if state == ContractState.RUNNING else None
    terms = sorted(one.terms.all(), key=lambda row: row.number)
    before = [None, *terms[:-1]]
    history = [
        TermsRow(
            terms=row,
            limits=_limits(row, previous, one.currency, names),
            holds=held is not None and row.pk == held.pk,
            is_coming=state == ContractState.RUNNING and row.effective_at > now,
        )
        for row, previous in zip(terms, before, strict=True)
    ]
    invoices = PeriodInvoice.objects.filter(contract=one).order_by("-period_start")
    return ContractCard(
        contract=one,
        state=state,
        collection=str(Collection(one.collection).label),
        history=list(reversed(history)),
        period=period_at(one, now) if state == ContractState.RUNNING else None,
        invoices=[(row, str(PeriodInvoiceStatus(row.status).label)) for row in invoices],
    )


def _limits(
    terms: ContractTerms, previous: ContractTerms | None, currency: str, names: Names
) -> list[LimitRow]:
    """Each limit, and what an amendment changed of it."""
    old = {_key(one): one for one in previous.limits.all()} if previous else {}
    rows = [_limit(one, old, currency, names, is_first=previous is None) for one in terms.limits.all()]
    gone = set(old) - {_key(one) for one in terms.limits.all()}
    return [
        *rows,
        *(
            LimitRow(names.get(metric, metric), per_window(None, window), "", _("no longer limited"))
            for metric, window in sorted(gone)
        ),
    ]


def _limit(
    one: ContractLimit,
    old: dict[tuple[str, str], ContractLimit],
    currency: str,
    names: Names,
    *,
    is_first: bool,
) -> LimitRow:
    before = old.get(_key(one))
    change = ""
    if before is None:
        change = "" if is_first else _("new")
    elif _agreed(before) != _agreed(one):
        change = _("was %(before)s") % {"before": _words(before, currency)}
    price = price_text(one.overage_price, currency) if one.overage_price is not None else ""
    return LimitRow(names.get(one.metric, one.metric), per_window(one.limit_units, one.window), price, change)


def _words(one: ContractLimit, currency: str) -> str:
    allowed = per_window(one.limit_units, one.window)
    if one.mode != Mode.OVERAGE or one.overage_price is None:
        return allowed
    return _("%(limit)s, then %(price)s each") % {
        "limit": allowed,
        "price": price_text(one.overage_price, currency),
    }


def _key(one: ContractLimit) -> tuple[str, str]:
    return one.metric, one.window


def _agreed(one: ContractLimit) -> tuple[object, ...]:
    return one.limit_units, one.mode, one.overage_price

"""Credits: what is left and until when, what moved, what was charged past them, and the limit on that.

`credits_shown` gives the template part `components/credits.html` all it shows, for whichever page includes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Account
from accounts.selectors import account_of, person_of
from billing.enums import Audience, ChargeStatus, Interval
from billing.errors import NoLiveSubscription
from billing.models import OverageCharge
from billing.pages.access import signed_in
from billing.pages.forms import new_key
from billing.pages.offers import Offer, offers
from billing.pages.panels import Panel
from billing.pages.plan_now import Amount
from billing.pages.words import Names, metric_names, plan_names
from billing.selectors.credits import OverageStanding, overage_charges, overage_standing
from billing.services import spend_cap_set
from billing.services.spend_caps import MAX_CAP
from common import clock
from common.errors import ValidationError
from common.formats import WITHOUT_DECIMALS, money_text, number_text
from common.ratelimit import ratelimited
from quotas.enums import EntryKind, GrantSource
from quotas.models import Grant, LedgerEntry
from quotas.pace import pace_of
from quotas.wallet_selectors import credits_used, ledger_of, wallet_status

PER_PAGE = 20
CENTS = 2
AMOUNT = re.compile(r"[0-9]{1,12}(\.[0-9]{0,4})?", re.ASCII)
NEAR_SHARE = 80  # per cent of the cap from which on the page says that it is near
TONES = {
    ChargeStatus.PENDING: "near",
    ChargeStatus.ACCEPTED: "ok",
    ChargeStatus.FAILED: "bad",
    ChargeStatus.REVERSED: "accent",
}


@dataclass(frozen=True)
class EntryRow:
    """A movement. `units`: signed, in words; what was used past the credits moves none."""

    at: datetime
    what: str
    note: str
    units: str
    balance: int


@dataclass(frozen=True)
class GrantRow:
    """Credits given once. `note`: for what, in the reader's words."""

    grant: Grant
    note: str


@dataclass(frozen=True)
class ChargeRow:
    """A charge. `reference`: what to give to support."""

    at: datetime
    what: str
    amount: Amount
    status_text: str
    tone: str
    note: str
    reference: str
    invoice: str


@dataclass(frozen=True)
class CapShown:
    """Overage of the period and its limit. `share`: per cent of the limit that is spent, at most 100."""

    rate: Amount
    spent: Amount
    projected: Amount
    cap: Amount | None
    share: int
    is_near: bool
    is_reached: bool
    will_pass: bool
    ends_at: datetime

    @property
    def rest(self) -> int:
        return 100 - self.share


@dataclass(frozen=True)
class Burn:
    """Credits used in the period, and where that leads at the same pace.

    `projected`: at the period's end, None while too little of it has passed. `gone_at`: when none are left; None when
    they last until the period's end.
    """

    used: int
    projected: int | None
    gone_at: datetime | None


@dataclass(frozen=True)
class Balance:
    """What is left and until when, how it goes, and what goes beyond: the head of the part, and what other pages show."""

    units: int
    grants: tuple[Grant, ...]
    burn: Burn | None
    overage: CapShown | None

    @property
    def is_any(self) -> bool:
        """Whether the account has anything to do with credits."""
        return bool(self.grants) or self.overage is not None


@dataclass(frozen=True)
class CreditsShown:
    """All that the part shows."""

    balance: int
    grants: tuple[GrantRow, ...]
    burn: Burn | None
    overage: CapShown | None
    rates: tuple[Offer, ...]
    entries: list[EntryRow]
    older_entries: str
    charges: list[ChargeRow]
    older_charges: str
    kinds: list[tuple[str, str]]
    kind: str

    @property
    def is_empty(self) -> bool:
        """Whether the account never had anything to do with credits."""
        shown = (self.grants, self.overage, self.entries, self.charges, self.kind)
        return not any(shown)


def credits_shown(account: Account, *, query: Mapping[str, str], now: datetime) -> CreditsShown:
    """`query`: `type` filters the ledger; `before` and `charges_before` are the last ids of the pages before."""
    balance = balance_of(account, now=now)
    kind = query.get("type", "")
    kind = kind if kind in EntryKind.values else ""
    names, plans = metric_names(), plan_names()
    entries = list(_after_entry(account, kind, query.get("before", ""))[: PER_PAGE + 1])
    charges = list(_after_charge(account, query.get("charges_before", ""))[: PER_PAGE + 1])
    return CreditsShown(
        balance=balance.units,
        grants=tuple(GrantRow(one, given_for(one, one.reason, plans)) for one in balance.grants),
        burn=balance.burn,
        overage=balance.overage,
        rates=tuple(
            one for one in offers(Interval.MONTH) if one.audience == Audience.BUSINESS and one.overage
        ),
        entries=[_entry_row(one, names, plans) for one in entries[:PER_PAGE]],
        older_entries=_older(entries, "before", type=kind),
        charges=[charge_row(one, names) for one in charges[:PER_PAGE]],
        older_charges=_older(charges, "charges_before"),
        kinds=[(one.value, str(one.label)) for one in EntryKind],
        kind=kind,
    )


def balance_of(account: Account, *, now: datetime) -> Balance:
    wallet, standing = wallet_status(account_id=account.pk, at=now), overage_standing(account.pk, now=now)
    return Balance(
        units=wallet.balance_units,
        grants=wallet.grants,
        burn=_burn(account, standing, wallet.balance_units, now) if standing else None,
        overage=cap_shown(standing),
    )


def _burn(account: Account, standing: OverageStanding, left: int, now: datetime) -> Burn:
    start, end = standing.period_start, standing.period_end
    used = credits_used(account_id=account.pk, start=start, end=end)
    pace = pace_of(used=used, limit=used + left, starts_at=start, ends_at=end, at=now)
    return Burn(used, pace.units if pace else None, pace.reached_at if pace else None)


def _after_entry(account: Account, kind: str, before: str) -> Any:
    rows = ledger_of(account.pk, kind or None)
    is_id = before.isascii() and before.isdigit() and len(before) < len(str(2**63))
    return rows.filter(pk__lt=int(before)) if is_id else rows


def _after_charge(account: Account, before: str) -> Any:
    rows = overage_charges(account.pk)
    try:
        last = rows.filter(pk=UUID(before)).first()
    except ValueError:
        last = None
    if last is None:
        return rows
    older = Q(requested_at__lt=last.requested_at) | Q(requested_at=last.requested_at, pk__lt=last.pk)
    return rows.filter(older)


def _older(rows: list[Any], parameter: str, **more: str) -> str:
    """The query of the next page; empty on the last."""
    if len(rows) <= PER_PAGE:
        return ""
    return urlencode(
        {name: value for name, value in more.items() if value} | {parameter: rows[PER_PAGE - 1].pk}
    )


def cap_shown(standing: OverageStanding | None) -> CapShown | None:
    if standing is None:
        return None

    def money(amount_minor: int) -> Amount:
        return {"amount_minor": amount_minor, "currency": standing.currency}

    cap, spent = standing.cap_minor, standing.spent_minor
    share = 0 if cap is None else min(spent * 100 // cap, 100) if cap else 100
    return CapShown(
        rate=money(standing.minor_per_credit),
        spent=money(spent),
        projected=money(standing.projected_minor),
        cap=None if cap is None else money(cap),
        share=share,
        is_near=cap is not None and share >= NEAR_SHARE,
        is_reached=cap is not None and cap - spent < standing.minor_per_credit,
        will_pass=cap is not None and standing.projected_minor > cap,
        ends_at=standing.period_end,
    )


def _entry_row(entry: LedgerEntry, names: Names, plans: Names) -> EntryRow:
    metric = names.get(entry.metric.code, entry.metric.code) if entry.metric else ""
    granted = entry.grant if entry.kind == EntryKind.GRANT else None
    source = str(granted.get_source_display()) if granted else ""
    units = entry.units or entry.overage_units
    sign = "+" if entry.units > 0 else "−" if entry.units < 0 or entry.overage_units < 0 else ""
    return EntryRow(
        at=entry.occurred_at,
        what=str(EntryKind(entry.kind).label),
        note=" · ".join(filter(None, (source, metric, given_for(granted, entry.reason, plans)))),
        units=f"{sign}{number_text(abs(units))}",
        balance=entry.balance_units,
    )


def given_for(grant: Grant | None, reason: str, plans: Names) -> str:
    """A reason in the reader's words. With what a plan gives stands the plan's code."""
    if grant is not None and grant.source in (GrantSource.PLAN, GrantSource.UPGRADE):
        return plans.get(reason, reason)
    return reason_text(reason)


def reason_text(reason: str) -> str:
    """Reasons of ours are kept in English and said in the reader's language; what people wrote stays as it is."""
    return _(reason) if reason else ""


def charge_row(charge: OverageCharge, names: Names) -> ChargeRow:
    status = ChargeStatus(charge.status)
    notes = {
        ChargeStatus.PENDING: _("not confirmed yet"),
        ChargeStatus.ACCEPTED: _("on an invoice")
        if charge.stripe_invoice_id
        else _("on the first invoice after it"),
        ChargeStatus.FAILED: _("nothing was charged"),
        ChargeStatus.REVERSED: reason_text(charge.reversal_reason),
    }
    return ChargeRow(
        at=charge.requested_at,
        what=f"{number_text(charge.units)} × {names.get(charge.metric, charge.metric)}",
        amount={"amount_minor": charge.amount_minor, "currency": charge.currency},
        status_text=str(status.label),
        tone=TONES[status],
        note=notes[status],
        reference=charge.request_id or str(charge.pk),
        invoice=charge.stripe_invoice_id,
    )


# The page -------------------------------------------------------------------------------------------------------------


@require_safe
@signed_in
@ratelimited("global", "user")
def credits_page(request: HttpRequest) -> HttpResponse:
    return _show(request, account_of(request))


@require_POST
@signed_in
@ratelimited("global", "user")
def credits_cap(request: HttpRequest) -> HttpResponse:
    """Sets the limit; below what is spent only when that was confirmed."""
    account = account_of(request)
    answer = cap_from_form(request, account)
    if answer is None:
        return redirect("account_credits")
    status = 422 if "errors" in answer else 200
    return _show(request, account, status=status, **answer)


def _show(request: HttpRequest, account: Account, *, status: int = 200, **form: Any) -> HttpResponse:
    context = {
        "credits": credits_shown(account, query=request.GET, now=clock.now()),
        "may_set_cap": True,
        "cap_url": reverse("account_credits_cap"),
        "form_key": new_key(),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Credits"), "")],
        "cap_form": form,
    }
    return render(request, "pages/credits.html", context, status=status)


def cap_from_form(request: HttpRequest, account: Account) -> dict[str, Any] | None:
    """Does what the cap's form asks for. None: done, and said in a message; else what the form shows again."""
    now = clock.now()
    standing = overage_standing(account.pk, now=now)
    if standing is None:
        raise NoLiveSubscription
    text = request.POST.get("cap", "").strip()
    try:
        cap = None if "remove" in request.POST else minor_of(text, standing.currency)
    except ValidationError as error:
        return {"text": text, "errors": [error.details["fields"][0]["message"]]}
    if cap is not None and cap < standing.spent_minor and request.POST.get("confirmed") != str(cap):
        return {"text": text, "confirm": cap, "spent": cap_shown(standing)}
    spend_cap_set(account=account, actor=person_of(request), cap_minor=cap, now=now)
    if cap is None:
        messages.success(request, _("The limit is removed. Overage is charged as it is used."))
    else:
        told = {"cap": money_text(cap, standing.currency)}
        messages.success(request, _("Overage stops at %(cap)s in a period.") % told)
    return None


def minor_of(text: str, currency: str) -> int:
    """An amount as people write it, `25`, `25.50`, `25,50`, in minor units. ValidationError when it is none."""
    decimals = 0 if currency in WITHOUT_DECIMALS else CENTS
    plain = "".join(text.split()).replace(",", ".")
    minor = Decimal(plain).scaleb(decimals) if AMOUNT.fullmatch(plain) else None
    if minor is None or minor != minor.to_integral_value():
        raise ValidationError.of("cap", "invalid", _("Give an amount, such as 25 or 25.50."))
    if minor > MAX_CAP:
        most = {"most": money_text(MAX_CAP, currency)}
        raise ValidationError.of("cap", "out_of_range", _("At most %(most)s, or no limit.") % most)
    return int(minor)


def panel(account: Account) -> Panel | None:
    """The billing page's section: for whoever has credits, or can be charged past them."""
    now = clock.now()
    balance = balance_of(account, now=now)
    if not balance.is_any:
        return None
    return Panel("components/credits_panel.html", {"balance": balance.units, "overage": balance.overage})

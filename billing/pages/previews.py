"""A preview as it stands on the page: every amount, date and limit in words, and a button that says what it does."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.enums import ChangeKind
from billing.gateways.values import InvoiceLine, PaymentMethodState
from billing.models import Price
from billing.pages.plan_now import Amount, Charge, full_name, name_of
from billing.pages.words import Names, feature_names, metric_names, per_window
from billing.rules.changes import QuotaChange
from billing.services.exceeding import Exceeding
from billing.services.preview import Preview
from common.formats import date_text, money_text

UNLIMITED = float("inf")


@dataclass(frozen=True)
class LimitChange:
    """`move`: up, down, or empty when the limit stays."""

    name: str
    from_text: str
    to_text: str
    move: str
    used: int


@dataclass(frozen=True)
class Kept:
    """One stored thing; `checked`: it stays unless the user says otherwise."""

    id: str
    name: str
    checked: bool


@dataclass(frozen=True)
class TooMuch:
    """Stored things that the new plan has no room for, to choose from; `limit` of them stay."""

    name: str
    used: int
    limit: int
    limit_text: str
    consequence: str
    choices: tuple[Kept, ...] = ()


@dataclass(frozen=True)
class PreviewPage:
    """`is_now`: takes effect when confirmed. `shown`: the due amount, to say later what it was.

    `takes_code`: a promotion code would count. `trial_end`: nothing is paid before. `card_first`: a card has to be on file
    before, it cannot be given while paying. `no_card_needed`: a trial that ends by itself. `unpaid`: owed already.
    """

    from_name: str
    to_name: str
    is_now: bool
    effective_at: datetime
    due_now: Amount
    lines: list[dict[str, Any]]
    next_invoice: Charge | None
    confirm_text: str
    quote: str
    quote_expires_at: datetime | None
    quota_changes: list[LimitChange] = field(default_factory=list)
    features_won: list[str] = field(default_factory=list)
    features_lost: list[str] = field(default_factory=list)
    exceeding: list[TooMuch] = field(default_factory=list)
    credits_granted: int = 0
    card: str = ""
    needs_card: bool = False
    discount: Amount | None = None
    promotion_code: str = ""
    trial_end: datetime | None = None
    takes_code: bool = False
    card_first: bool = False
    no_card_needed: bool = False
    unpaid: Amount | None = None

    @property
    def is_end(self) -> bool:
        """What is paid for ends, and what follows costs nothing."""
        return not self.is_now and self.next_invoice is None

    @property
    def is_start(self) -> bool:
        """From no plan at all, so without a quote."""
        return not self.quote

    @property
    def grows(self) -> bool:
        """Whether any limit becomes larger."""
        return any(row.move == "up" for row in self.quota_changes)

    @property
    def shown(self) -> str:
        return str(self.due_now["amount_minor"])


def preview_page(
    preview: Preview,
    *,
    current: Price | None,
    card: PaymentMethodState | None,
    prices: dict[str, Price],
    chosen: Collection[str] | None = None,
) -> PreviewPage:
    """`prices`: by Stripe id, to name the invoice's lines. `current` None: from no plan at all. `chosen`: the stored
    things ticked before.
    """
    names, is_now = metric_names(), preview.kind != ChangeKind.DOWNGRADE
    is_paid = preview.target.amount_minor > 0
    needs_card = is_paid and (not preview.trial_end or preview.target.version.plan.trial_needs_card)
    won, lost = features_between(current, preview.target)
    return PreviewPage(
        from_name=full_name(current, preview.target) if current else _("no plan"),
        to_name=full_name(preview.target, current) if current else name_of(preview.target),
        is_now=is_now,
        effective_at=preview.effective_at,
        due_now=preview.due_now.as_json(),
        lines=[_line(line, preview.due_now.currency, prices) for line in preview.lines],
        next_invoice=_next_invoice(preview),
        confirm_text=_confirm_text(preview, is_now=is_now),
        quote=preview.quote,
        quote_expires_at=preview.quote_expires_at,
        quota_changes=limit_changes(preview.quota_changes, preview.used, names),
        features_won=won,
        features_lost=lost,
        exceeding=[too_much(one, names, chosen) for one in preview.exceeding],
        credits_granted=preview.credits_granted,
        card=card_text(card) if card else "",
        needs_card=card is None and needs_card,
        card_first=preview.trial_end is not None or (current is not None and current.amount_minor > 0),
        no_card_needed=card is None and preview.trial_end is not None and not needs_card,
        unpaid=preview.unpaid.as_json() if preview.unpaid else None,
        discount=preview.discount.as_json() if preview.discount else None,
        promotion_code=preview.promotion_code,
        trial_end=preview.trial_end,
        takes_code=is_now and is_paid,
    )


def _confirm_text(preview: Preview, *, is_now: bool) -> str:
    due = preview.due_now.as_json()
    if not is_now:
        return confirm_text(due, effective_at=preview.effective_at)
    if preview.trial_end is not None and due["amount_minor"] == 0:
        return _("Start the trial, nothing to pay until %(date)s") % {"date": date_text(preview.trial_end)}
    if preview.kind != ChangeKind.START:
        return confirm_text(due, effective_at=None)
    if due["amount_minor"] == 0:
        return _("Start %(plan)s") % {"plan": name_of(preview.target)}
    amount = money_text(preview.due_now.amount_minor, preview.due_now.currency)
    return _("Pay %(amount)s and start now") % {"amount": amount}


def confirm_text(due: Amount, *, effective_at: datetime | None) -> str:
    """What the button does, to the cent and the day."""
    if effective_at is not None:
        return _("Switch on %(date)s") % {"date": date_text(effective_at)}
    if due["amount_minor"] > 0:
        return _("Pay %(amount)s and switch now") % {
            "amount": money_text(due["amount_minor"], due["currency"])
        }
    return _("Switch now, nothing to pay")


def card_text(card: PaymentMethodState) -> str:
    """Visa ending in 4242."""
    brand = (card.brand or card.kind).replace("_", " ").title()
    return _("%(brand)s ending in %(last4)s") % {"brand": brand, "last4": card.last4 or "····"}


def _next_invoice(preview: Preview) -> Charge | None:
    if preview.next_amount is None or preview.next_at is None:
        return None
    return Charge(preview.next_amount.as_json(), preview.next_at)


def _line(line: InvoiceLine, currency: str, prices: dict[str, Price]) -> dict[str, Any]:
    return {
        "description": line_text(line, prices.get(line.price_id or "")),
        "amount_minor": line.amount_minor,
        "currency": currency,
    }


def line_text(line: InvoiceLine, price: Price | None) -> str:
    """In the reader's language where we know the plan; as the payment provider wrote it otherwise."""
    if price is None or line.period_start is None or line.period_end is None:
        return line.description
    words = {
        "plan": price.version.plan.name,
        "from": date_text(line.period_start),
        "to": date_text(line.period_end),
    }
    if line.amount_minor < 0:
        return _("Unused time on %(plan)s, until %(to)s") % words
    return _("%(plan)s, from %(from)s to %(to)s") % words


def limit_changes(
    changes: Iterable[QuotaChange], used: Mapping[tuple[str, str], int], names: Names
) -> list[LimitChange]:
    return [
        LimitChange(
            name=names.get(one.metric, one.metric),
            from_text=_limit_text(one.from_limit, one.window),
            to_text=_limit_text(one.to_limit, one.window),
            move=_move(one.from_limit, one.to_limit),
            used=used.get((one.metric, one.window), 0),
        )
        for one in changes
    ]


def _limit_text(limit: int | None, window: str) -> str:
    return _("not included") if limit == 0 else per_window(limit, window)


def _move(before: int | None, after: int | None) -> str:
    old, new = (UNLIMITED if limit is None else limit for limit in (before, after))
    if old == new:
        return ""
    return "up" if new > old else "down"


def features_between(current: Price | None, target: Price | None) -> tuple[list[str], list[str]]:
    """Won and lost, in words; from no plan all are won, to none all are lost."""
    names = feature_names()
    old = current.version.features if current else []
    new = target.version.features if target else []
    won = [names.get(code, code) for code in new if code not in old]
    return won, [names.get(code, code) for code in old if code not in new]


def too_much(one: Exceeding, names: Names, chosen: Collection[str] | None = None) -> TooMuch:
    """`chosen`: what the user ticked before, when their form comes back."""
    ticked = {thing["id"] for thing in one.kept} if chosen is None else set(chosen)
    return TooMuch(
        name=names.get(one.metric, one.metric),
        used=one.stored,
        limit=one.limit,
        limit_text=per_window(one.limit, "capacity"),
        consequence=ngettext(
            "%(count)d is archived at the switch: it is kept, but cannot be used. It comes back with a larger plan.",
            "%(count)d are archived at the switch: they are kept, but cannot be used. They come back with a larger plan.",
            one.excess,
        )
        % {"count": one.excess},
        choices=tuple(
            Kept(thing["id"], thing["name"], thing["id"] in ticked) for thing in (*one.kept, *one.items)
        ),
    )


def prices_by_stripe_id(lines: Iterable[InvoiceLine]) -> dict[str, Price]:
    ids = [line.price_id for line in lines if line.price_id]
    found = Price.objects.select_related("version__plan").filter(stripe_price_id__in=ids)
    return {price.stripe_price_id: price for price in found if price.stripe_price_id}

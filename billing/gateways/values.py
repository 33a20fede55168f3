"""What the gateway gives out: Stripe's objects reduced to what billing goes by, frozen."""

from dataclasses import dataclass
from datetime import datetime

from billing.rules.discounts import Discount
from billing.rules.next_invoice import TaxRate


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """`amount_minor` is negative for what is given back. `waited`: it was an item that waited for an invoice to come."""

    description: str
    amount_minor: int
    period_start: datetime | None
    period_end: datetime | None
    price_id: str | None
    waited: bool = False


@dataclass(frozen=True, slots=True)
class InvoiceState:
    """`id` is empty for a preview. `amount_due_minor` is what the payer is asked for, credit taken off.

    `attempts`: how often payment was tried. `due_at`: only for an invoice that is sent to be paid. `client_secret`:
    by which the payer's browser finishes the payment; only when it was asked for.
    `subtotal_minor` is before discounts and tax; `credited_minor` what credit notes have given back or waived since.
    `discounts`: those that run, in their order; only of a preview. `starting_balance_minor`: the payer's before it,
    credit below zero, debt above. `tax_rates`: by which its lines are taxed.
    """

    id: str
    number: str | None
    status: str | None
    customer_id: str | None
    subscription_id: str | None
    currency: str
    total_minor: int
    amount_due_minor: int
    amount_paid_minor: int
    lines: tuple[InvoiceLine, ...]
    created_at: datetime
    issued_at: datetime | None
    paid_at: datetime | None
    pdf_url: str | None
    hosted_url: str | None
    amount_remaining_minor: int = 0
    attempts: int = 0
    next_attempt_at: datetime | None = None
    due_at: datetime | None = None
    client_secret: str | None = None
    subtotal_minor: int = 0
    tax_minor: int = 0
    credited_minor: int = 0
    discount_minor: int = 0
    discounts: tuple[Discount, ...] = ()
    starting_balance_minor: int = 0
    tax_rates: tuple[TaxRate, ...] = ()

    @property
    def balance_after_minor(self) -> int:
        """The payer's balance once this is issued: what was not asked for is theirs, or is carried over."""
        return self.starting_balance_minor + self.total_minor - self.amount_due_minor

    def billed_from(self, price_id: str | None) -> datetime | None:
        """From when a price is charged, as its line says; None where no line charges it."""
        charged = (one for one in self.lines if one.price_id == price_id and one.amount_minor >= 0)
        return next((one.period_start for one in charged), None)


def no_invoice(*, currency: str, at: datetime) -> InvoiceState:
    """What a preview shows where nothing will be charged."""
    return InvoiceState(
        id="",
        number=None,
        status=None,
        customer_id=None,
        subscription_id=None,
        currency=currency,
        total_minor=0,
        amount_due_minor=0,
        amount_paid_minor=0,
        lines=(),
        created_at=at,
        issued_at=None,
        paid_at=None,
        pdf_url=None,
        hosted_url=None,
    )


@dataclass(frozen=True, slots=True)
class CreditNoteState:
    """A correction of an invoice. `refunded_minor` went back to the card, `to_balance_minor` to the customer's credit.

    `refund_ref`: our refund that made it, from its metadata.
    """

    id: str
    number: str
    invoice_id: str
    status: str
    reason: str | None
    currency: str
    total_minor: int
    refunded_minor: int
    to_balance_minor: int
    refund_ids: tuple[str, ...]
    refund_ref: str | None
    created_at: datetime
    pdf_url: str | None


@dataclass(frozen=True, slots=True)
class RefundState:
    """Money on its way back to the card. `status`: pending, succeeded, failed, canceled or requires_action."""

    id: str
    status: str
    amount_minor: int
    currency: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SubscriptionState:
    """A subscription as Stripe showed it. `change_id`: our plan change that last touched it, from its metadata.

    `pending_price_id`: the price it gets once an open invoice is paid, until `pending_expires_at`. `ended_unpaid`: it
    ended because it was not paid, whether Stripe gave up or we did.
    """

    id: str
    customer_id: str
    status: str
    item_id: str
    price_id: str
    anchor_at: datetime
    period_start: datetime
    period_end: datetime
    trial_end: datetime | None
    cancel_at: datetime | None
    ended_at: datetime | None
    schedule_id: str | None
    change_id: str | None
    latest_invoice_id: str | None
    latest_invoice: InvoiceState | None
    created_at: datetime
    pending_price_id: str | None = None
    pending_expires_at: datetime | None = None
    default_payment_method_id: str | None = None
    discount_ids: tuple[str, ...] = ()
    ended_unpaid: bool = False

    @property
    def ended_with_trial(self) -> bool:
        """Whether it ended when its trial did, and nothing came after that."""
        over = self.trial_end is not None and self.ended_at is not None and self.ended_at >= self.trial_end
        return over and self.period_end == self.trial_end


@dataclass(frozen=True, slots=True)
class PayerIntent:
    """A payment, or the saving of a card, that a person in front of a browser may have to confirm."""

    id: str
    status: str
    client_secret: str
    customer_id: str | None
    payment_method_id: str | None
    error_code: str | None


@dataclass(frozen=True, slots=True)
class CheckoutState:
    """A visit to Stripe's own payment page. `url` is there while it is open."""

    id: str
    status: str
    url: str | None
    customer_id: str | None
    subscription_id: str | None
    change_id: str | None
    expires_at: datetime
    setup_intent_id: str | None = None


@dataclass(frozen=True, slots=True)
class PromotionState:
    """A promotion code that can be used. `currency` None: a percentage, good in every currency."""

    id: str
    code: str
    currency: str | None


@dataclass(frozen=True, slots=True)
class Terms:
    """How a change begins: after `trial_days` free ones, with a promotion code's discount beside those there are.

    `ends_trial`: a running trial ends now. `keeps`: discounts that the subscription has already.
    """

    trial_days: int | None = None
    promotion_id: str | None = None
    ends_trial: bool = False
    keeps: tuple[str, ...] = ()

    @property
    def discounts(self) -> list[dict[str, str]]:
        """As Stripe takes them; empty when nothing is to change."""
        if self.promotion_id is None:
            return []
        return [{"discount": one} for one in self.keeps] + [{"promotion_code": self.promotion_id}]


@dataclass(frozen=True, slots=True)
class PhaseState:
    price_id: str
    starts_at: datetime
    ends_at: datetime
    tax_rate_ids: tuple[str, ...] = ()
    trial_end: datetime | None = None


@dataclass(frozen=True, slots=True)
class ScheduleState:
    """`change_id`: the plan change it carries out. Phases in order."""

    id: str
    status: str
    subscription_id: str | None
    change_id: str | None
    phases: tuple[PhaseState, ...]


@dataclass(frozen=True, slots=True)
class PaymentMethodState:
    id: str
    customer_id: str | None
    kind: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None


@dataclass(frozen=True, slots=True)
class IntentState:
    """A payment intent. `reason_code`: why the last attempt failed, where no charge says it; the card is that one's."""

    id: str
    customer_id: str | None
    status: str
    amount_minor: int
    currency: str
    created_at: datetime
    reason_code: str
    has_charge_error: bool
    card_brand: str
    card_last4: str


@dataclass(frozen=True, slots=True)
class ChargeState:
    """One attempt. `status`: succeeded, pending or failed; `reason_code` is Stripe's for a failed one."""

    id: str
    status: str
    amount_minor: int
    refunded_minor: int
    currency: str
    created_at: datetime
    reason_code: str
    card_brand: str
    card_last4: str
    customer_id: str | None = None


@dataclass(frozen=True, slots=True)
class DisputeState:
    """A payer who asks the bank for the money back. `status` and `reason` in Stripe's words."""

    id: str
    charge_id: str
    intent_id: str | None
    amount_minor: int
    currency: str
    reason: str
    status: str
    answer_by: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class AddressState:
    """`country` is ISO 3166-1's two letters. What was not given is empty."""

    line1: str = ""
    line2: str = ""
    postal_code: str = ""
    city: str = ""
    state: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class CustomerState:
    id: str
    default_payment_method_id: str | None
    balance_minor: int
    deleted: bool = False
    name: str = ""
    email: str = ""
    address: AddressState | None = None


@dataclass(frozen=True, slots=True)
class TaxIdState:
    """`verification`: pending, verified, unverified or unavailable."""

    id: str
    type: str
    value: str
    verification: str | None


@dataclass(frozen=True, slots=True)
class ProductSpec:
    code: str
    name: str


@dataclass(frozen=True, slots=True)
class PriceSpec:
    lookup_key: str
    product_id: str
    interval: str
    amount_minor: int
    currency: str
    plan: str
    version: int


@dataclass(frozen=True, slots=True)
class PriceState:
    id: str
    lookup_key: str | None
    product_id: str
    interval: str | None
    amount_minor: int | None
    currency: str
    active: bool

"""An account's invoices, read from Stripe. A foreign invoice is answered as one that does not exist."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core import signing
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from billing.gateways.stripe import gateway
from billing.gateways.values import CreditNoteState, InvoiceState, RefundState
from common.errors import NotFound, ValidationError

SALT = "billing.invoices"


@dataclass(frozen=True, slots=True)
class InvoiceDetail:
    """An invoice with what corrected it afterwards. Refunds of credit notes are among `refunds`."""

    invoice: InvoiceState
    credit_notes: tuple[CreditNoteState, ...]
    refunds: tuple[RefundState, ...]

    @property
    def refunded_minor(self) -> int:
        """What went back to the card or is on its way."""
        return sum(one.amount_minor for one in self.refunds if one.status not in ("failed", "canceled"))


def invoices_list(
    *,
    account: Account,
    limit: int,
    cursor: str | None,
    status: str | None = None,
    year: int | None = None,
) -> tuple[Sequence[InvoiceState], str | None]:
    """Newest first, and the cursor of the next page; of one status or one year (UTC) only where asked for."""
    after = _opened(cursor, account.stripe_customer_id) if cursor else None
    if not account.stripe_customer_id:
        return [], None
    found, more = gateway.invoices(
        customer_id=account.stripe_customer_id,
        limit=limit,
        starting_after=after,
        status=status,
        created=_year(year) if year else None,
    )
    if not (more and found):
        return found, None
    return found, signing.dumps([account.stripe_customer_id, found[-1].id], salt=SALT)


def invoice_get(*, account: Account, invoice_id: str) -> InvoiceState:
    """The account's invoice. NotFound for another's, and without asking for what cannot be an id."""
    if not account.stripe_customer_id or not invoice_id.startswith("in_"):
        raise NotFound
    invoice = gateway.invoice_get(invoice_id)
    if invoice is None or invoice.customer_id != account.stripe_customer_id:
        raise NotFound
    return invoice


def invoice_detail(*, account: Account, invoice_id: str) -> InvoiceDetail:
    """The account's invoice with its credit notes and refunds. NotFound as `invoice_get`."""
    invoice = invoice_get(account=account, invoice_id=invoice_id)
    if invoice.status not in ("paid", "open"):
        return InvoiceDetail(invoice, (), ())
    notes = gateway.credit_notes(invoice_id=invoice.id) if invoice.credited_minor else []
    refunds = gateway.refunds(invoice_id=invoice.id) if invoice.amount_paid_minor else []
    return InvoiceDetail(invoice, tuple(notes), tuple(refunds))


def _year(year: int) -> tuple[datetime, datetime]:
    return datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)


def invoice_pdf_url(*, account: Account, invoice_id: str) -> str:
    """Where the PDF is. NotFound while the invoice is a draft and has none."""
    invoice = invoice_get(account=account, invoice_id=invoice_id)
    if not invoice.pdf_url:
        raise NotFound
    return invoice.pdf_url


def _opened(cursor: str, customer_id: str | None) -> str:
    """The invoice a page ended with. ValidationError for a cursor that is not ours or is another customer's."""
    try:
        whose, invoice_id = signing.loads(cursor, salt=SALT)
    except (signing.BadSignature, ValueError) as error:
        raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's.")) from error
    if whose != customer_id:
        raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's."))
    return str(invoice_id)

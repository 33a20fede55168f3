"""An account's invoices, read from Stripe. A foreign invoice is answered as one that does not exist."""

from collections.abc import Sequence

from django.core import signing
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from billing.gateways.stripe import gateway
from billing.gateways.values import InvoiceState
from common.errors import NotFound, ValidationError

SALT = "billing.invoices"


def invoices_list(
    *, account: Account, limit: int, cursor: str | None
) -> tuple[Sequence[InvoiceState], str | None]:
    """Newest first, and the cursor of the next page."""
    after = _opened(cursor) if cursor else None
    if not account.stripe_customer_id:
        return [], None
    found, more = gateway.invoices(customer_id=account.stripe_customer_id, limit=limit, starting_after=after)
    return found, signing.dumps(found[-1].id, salt=SALT) if more and found else None


def invoice_get(*, account: Account, invoice_id: str) -> InvoiceState:
    """The account's invoice. NotFound for another's, and without asking for what cannot be an id."""
    if not account.stripe_customer_id or not invoice_id.startswith("in_"):
        raise NotFound
    invoice = gateway.invoice_get(invoice_id)
    if invoice is None or invoice.customer_id != account.stripe_customer_id:
        raise NotFound
    return invoice


def invoice_pdf_url(*, account: Account, invoice_id: str) -> str:
    """Where the PDF is. NotFound while the invoice is a draft and has none."""
    invoice = invoice_get(account=account, invoice_id=invoice_id)
    if not invoice.pdf_url:
        raise NotFound
    return invoice.pdf_url


def _opened(cursor: str) -> str:
    try:
        return str(signing.loads(cursor, salt=SALT))
    except signing.BadSignature as error:
        raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's.")) from error

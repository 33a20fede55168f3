"""What stands on invoices: name, e-mail address, postal address, tax numbers. Kept by Stripe, which prints them."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Account, User
from billing.errors import ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import AddressState, TaxIdState
from billing.mirror import EMAIL
from billing.services.customers import customer_ensure
from common import outbox
from common.errors import NotFound, ValidationError

# Those that businesses in Europe and its neighbours have. Stripe knows more, and checks each.
TAX_ID_TYPES = ("eu_vat", "gb_vat", "ch_vat", "no_vat", "us_ein", "ca_bn", "au_abn")
TAX_ID_INVALID = "tax_id_invalid"


@dataclass(frozen=True, slots=True)
class BillingDetails:
    """`address` None: none was given."""

    name: str
    email: str
    address: AddressState | None
    tax_ids: tuple[TaxIdState, ...]


def billing_details(*, account: Account) -> BillingDetails:
    """As Stripe has them; the account's own name and e-mail address before there is anything at Stripe."""
    if not account.stripe_customer_id:
        return BillingDetails(account.name, account.billing_email, None, ())
    customer = gateway.customer_get(account.stripe_customer_id)
    tax_ids = gateway.tax_ids(account.stripe_customer_id)
    return BillingDetails(customer.name, customer.email, customer.address, tuple(tax_ids))


def billing_details_set(*, account: Account, name: str, email: str, address: AddressState | None) -> None:
    """Replaces name, e-mail address and postal address, for every invoice from now on. The same twice is the same.

    Stripe comes first, because it is what prints them: after a crash in between, the same once more mends ours.
    """
    customer_id = customer_ensure(account=account)
    gateway.customer_details_set(customer_id=customer_id, name=name, email=email, address=address)
    Account.objects.filter(pk=account.pk).update(billing_email=email)


@transaction.atomic
def billing_email_follow(*, user: User, old: str, new: str, now: datetime) -> None:
    """A person's invoices go to their new main address, unless they named another one for invoices themselves.

    Stripe is told after the commit. What organisations named stays: their invoices are not one person's.
    """
    own = Account.objects.filter(personal_owner=user, billing_email__iexact=old)
    for account in own.select_for_update(no_key=True):
        account.billing_email = new
        account.save(update_fields=["billing_email"])
        outbox.promise(EMAIL, {"account_id": account.pk}, now=now)


def tax_id_add(*, account: Account, kind: str, value: str, key: str) -> TaxIdState:
    """Adds a tax number, which Stripe checks. There already: that one. ValidationError when it cannot be one."""
    customer_id = customer_ensure(account=account)
    wanted = _plain(value)
    for known in gateway.tax_ids(customer_id):
        if (known.type, _plain(known.value)) == (kind, wanted):
            return known
    try:
        return gateway.tax_id_add(
            customer_id=customer_id, kind=kind, value=wanted, key=f"account:{account.pk}:tax_id:{key}"
        )
    except ProviderRefused as error:
        if error.provider_code != TAX_ID_INVALID:
            raise
        raise ValidationError.of(
            "value", "invalid", _("This is no tax number of that kind. Check how it is written.")
        ) from error


def _plain(value: str) -> str:
    return "".join(value.split()).upper()


def tax_id_remove(*, account: Account, tax_id: str) -> None:
    """NotFound for one that is not the account's. Invoices that have it keep it."""
    known = gateway.tax_ids(account.stripe_customer_id) if account.stripe_customer_id else []
    if tax_id not in {one.id for one in known}:
        raise NotFound
    gateway.tax_id_remove(customer_id=str(account.stripe_customer_id), tax_id=tax_id)

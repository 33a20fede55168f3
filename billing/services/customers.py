"""The account's customer at Stripe, made once, and its cards."""

from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from billing.errors import PaymentProviderUnavailable, ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import CustomerState, PaymentMethodState
from billing.models import Subscription
from common.errors import NotFound, ValidationError

# Statuses in which Stripe will want to charge again.
NEEDS_CARD = ("active", "trialing", "past_due", "unpaid")


def customer_ensure(*, account: Account) -> str:
    """The account's customer id at Stripe; made when there is none. Call it outside of transactions.

    Two at once make one: Stripe sees the same idempotency key, and the id is stored where there is none yet. After
    a crash between making and storing, the customer is found by the account's id in its metadata.
    """
    if account.stripe_customer_id:
        return account.stripe_customer_id
    ref = str(account.public_id)
    customer = gateway.customer_find(email=account.billing_email, account_ref=ref)
    if customer is None:
        customer = gateway.customer_create(
            email=account.billing_email, name=account.name, account_ref=ref, key=f"account:{ref}:customer"
        )
    Account.objects.filter(pk=account.pk, stripe_customer_id__isnull=True).update(
        stripe_customer_id=customer.id
    )
    account.refresh_from_db(fields=["stripe_customer_id"])
    if not account.stripe_customer_id:
        raise PaymentProviderUnavailable
    return account.stripe_customer_id


def payment_methods_list(*, account: Account) -> tuple[list[PaymentMethodState], str | None]:
    """The account's cards, and the id of the one that is charged."""
    if not account.stripe_customer_id:
        return [], None
    customer = gateway.customer_get(account.stripe_customer_id)
    return gateway.payment_methods(account.stripe_customer_id), customer.default_payment_method_id


def payment_method_add(*, account: Account, payment_method_id: str) -> PaymentMethodState:
    """Attaches a card that was collected in the browser; the first one becomes the one that is charged.

    Raises PaymentFailed when the bank refuses it, ValidationError when there is no such card to take.
    """
    customer_id = customer_ensure(account=account)
    try:
        method = gateway.payment_method_attach(payment_method_id=payment_method_id, customer_id=customer_id)
    except ProviderRefused as error:
        if error.provider_code in ("no_api_key", "not_authenticated"):
            raise
        raise ValidationError.of(
            "payment_method", "invalid", _("This card cannot be used. Enter it again.")
        ) from error
    if gateway.customer_get(customer_id).default_payment_method_id is None:
        gateway.default_payment_method_set(customer_id=customer_id, payment_method_id=method.id)
    return method


def payment_method_make_default(*, account: Account, payment_method_id: str) -> CustomerState:
    """From now on this card is charged. NotFound for a card that is not the account's."""
    own = _own(account, payment_method_id)
    return gateway.default_payment_method_set(
        customer_id=str(account.stripe_customer_id), payment_method_id=own.id
    )


def payment_method_remove(*, account: Account, payment_method_id: str) -> None:
    """Takes the card away. The one that a running paid subscription is charged to stays: ValidationError."""
    own = _own(account, payment_method_id)
    customer = gateway.customer_get(str(account.stripe_customer_id))
    if customer.default_payment_method_id == own.id and _is_needed(account):
        raise ValidationError.of(
            "payment_method",
            "in_use",
            _("Your subscription is charged to this card. Make another one the default first."),
        )
    gateway.payment_method_detach(own.id)


def _own(account: Account, payment_method_id: str) -> PaymentMethodState:
    methods = gateway.payment_methods(account.stripe_customer_id) if account.stripe_customer_id else []
    for method in methods:
        if method.id == payment_method_id:
            return method
    raise NotFound


def _is_needed(account: Account) -> bool:
    return Subscription.objects.filter(
        account=account, ended_at__isnull=True, stripe_subscription_id__isnull=False, status__in=NEEDS_CARD
    ).exists()


__all__ = [
    "customer_ensure",
    "payment_method_add",
    "payment_method_make_default",
    "payment_method_remove",
    "payment_methods_list",
]

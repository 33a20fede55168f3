"""The account's customer at Stripe, made once, and its cards."""

from contextlib import AbstractContextManager

import structlog
from django.utils.translation import gettext_lazy as _

from accounts.models import Account
from billing.enums import CollectionStatus
from billing.errors import PaymentFailed, PaymentProviderUnavailable, ProviderRefused
from billing.gateways.stripe import gateway
from billing.gateways.values import CustomerState, PaymentMethodState
from billing.models import CardChoice, OverageCollection, Subscription
from billing.selectors import live_subscription
from billing.services.attempts import card_refused
from billing.services.converge import subscription_refresh
from common.clock import database_now
from common.errors import NotFound, ValidationError
from common.locks import locked

log = structlog.get_logger(__name__)

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


def customer_follow(*, customer_id: str) -> None:
    """After an event: a customer that was deleted at Stripe is forgotten here, and its subscription seen to be over."""
    account = Account.objects.filter(stripe_customer_id=customer_id).first()
    if account is None or not gateway.customer_get(customer_id).deleted:
        return
    subscription = live_subscription(account.pk)
    if subscription is not None and subscription.stripe_subscription_id is not None:
        subscription_refresh(stripe_subscription_id=subscription.stripe_subscription_id)
    Account.objects.filter(pk=account.pk, stripe_customer_id=customer_id).update(stripe_customer_id=None)
    log.warning("customer_deleted_at_provider", account=account.pk, stripe_customer=customer_id)


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
    except PaymentFailed as error:
        raise card_refused(error) from error
    if gateway.customer_get(customer_id).default_payment_method_id is None:
        gateway.default_payment_method_set(customer_id=customer_id, payment_method_id=method.id)
    return method


def payment_method_make_default(*, account: Account, payment_method_id: str) -> CustomerState:
    """From now on this card is charged. NotFound for a card that is not the account's.

    What was to make another card the default, and has not come to it yet, is overtaken.
    """
    with card_choices_locked(account.pk):
        customer = default_card_set(account=account, payment_method_id=payment_method_id)
        CardChoice.objects.filter(account=account, settled_at=None).update(settled_at=database_now())
    return customer


def card_choices_locked(account_id: int) -> AbstractContextManager[None]:
    """One who tells Stripe the card after the other, so that what was chosen last is what holds there."""
    return locked(f"card_choice:{account_id}")


def default_card_set(*, account: Account, payment_method_id: str) -> CustomerState:
    """Tells Stripe; for those who hold `card_choices_locked`."""
    own = _own(account, payment_method_id)
    running = _running(account)
    if running is not None:
        card = gateway.subscription_get(running).default_payment_method_id
        if card not in (None, own.id):  # its own card goes before the customer's
            gateway.subscription_card_set(subscription_id=running, payment_method_id=own.id)
    customer = gateway.default_payment_method_set(
        customer_id=str(account.stripe_customer_id), payment_method_id=own.id
    )
    # What the card before could not pay is tried with this one.
    OverageCollection.objects.filter(account=account, status=CollectionStatus.UNPAID).update(settled_at=None)
    return customer


def payment_method_use(*, account: Account, payment_method_id: str | None) -> str | None:
    """The card to pay one thing with: one of the account's, or one just entered, which is put on file. None: the
    one that is charged anyway. PaymentFailed and ValidationError as for adding a card.
    """
    if not payment_method_id:
        return None
    known = gateway.payment_methods(account.stripe_customer_id) if account.stripe_customer_id else []
    if payment_method_id in [one.id for one in known]:
        return payment_method_id
    return payment_method_add(account=account, payment_method_id=payment_method_id).id


def subscription_card_keep(*, stripe_subscription_id: str) -> None:
    """Makes a subscription's own card its customer's default too, so that both say the same. Twice is once."""
    state = gateway.subscription_get(stripe_subscription_id)
    if state.default_payment_method_id is not None and state.ended_at is None:
        gateway.default_payment_method_set(
            customer_id=state.customer_id, payment_method_id=state.default_payment_method_id
        )


def payment_method_remove(*, account: Account, payment_method_id: str) -> None:
    """Takes the card away. The one that a running paid subscription is charged to stays: ValidationError."""
    own = _own(account, payment_method_id)
    customer = gateway.customer_get(str(account.stripe_customer_id))
    if customer.default_payment_method_id == own.id and _running(account) is not None:
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


def _running(account: Account) -> str | None:
    """The account's subscription at Stripe that will be charged again."""
    return (
        Subscription.objects.filter(
            account=account,
            ended_at__isnull=True,
            stripe_subscription_id__isnull=False,
            status__in=NEEDS_CARD,
        )
        .values_list("stripe_subscription_id", flat=True)
        .first()
    )


__all__ = [
    "card_choices_locked",
    "customer_ensure",
    "customer_follow",
    "default_card_set",
    "payment_method_add",
    "payment_method_make_default",
    "payment_method_remove",
    "payment_method_use",
    "payment_methods_list",
    "subscription_card_keep",
]

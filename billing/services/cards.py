"""Saving a card in the browser, with the bank's confirmation where it wants one, without paying anything."""

from dataclasses import dataclass

from accounts.models import Account
from billing.gateways.stripe import gateway
from billing.gateways.values import CheckoutState, PayerIntent, PaymentMethodState
from billing.services.card_choices import card_choose
from billing.services.customers import customer_ensure, payment_methods_list
from common.errors import NotFound


@dataclass(frozen=True, slots=True)
class SavedCard:
    """`method` None: not saved, not yet, or (`status` succeeded) removed since; `error_code` is the bank's reason,
    `status` what Stripe waits for. `is_charged`: it is the one that is charged now.
    """

    method: PaymentMethodState | None
    status: str
    error_code: str | None
    is_charged: bool = False


def card_setup_begin(*, account: Account, key: str) -> PayerIntent:
    """What Stripe's script needs to save a card. The same key is the same one."""
    customer_id = customer_ensure(account=account)
    return gateway.setup_intent_create(customer_id=customer_id, key=f"account:{account.pk}:setup:{key}")


def card_setup_get(*, account: Account, setup_intent_id: str) -> PayerIntent:
    """NotFound for one that is not the account's."""
    intent = gateway.setup_intent_get(setup_intent_id)
    if intent is None or not _is_of(account, intent.customer_id):
        raise NotFound
    return intent


def _is_of(account: Account, customer_id: str | None) -> bool:
    return customer_id is not None and customer_id == account.stripe_customer_id


def card_setup_finish(*, account: Account, setup_intent_id: str) -> SavedCard:
    """What became of it. A card that was saved is charged from then on; asked again, nothing is chosen again."""
    intent = card_setup_get(account=account, setup_intent_id=setup_intent_id)
    if intent.status != "succeeded" or intent.payment_method_id is None:
        return SavedCard(None, intent.status, intent.error_code)
    methods, default = payment_methods_list(account=account)
    method = next((one for one in methods if one.id == intent.payment_method_id), None)
    if method is None:
        return SavedCard(None, intent.status, None)
    is_chosen = card_choose(account=account, payment_method_id=method.id, cause=f"setup:{intent.id}")
    return SavedCard(method, intent.status, None, is_charged=is_chosen or method.id == default)


def card_visit_begin(
    *, account: Account, currency: str, success_url: str, cancel_url: str, locale: str, key: str
) -> CheckoutState:
    """The same on Stripe's own page."""
    return gateway.checkout_setup_create(
        customer_id=customer_ensure(account=account),
        currency=currency,
        success_url=success_url,
        cancel_url=cancel_url,
        locale=locale,
        key=f"account:{account.pk}:setup_page:{key}",
    )


def card_visit_finish(*, account: Account, session_id: str) -> SavedCard:
    """What became of a visit there. NotFound for one that is not the account's."""
    session = gateway.checkout_find(session_id)
    if session is None or not _is_of(account, session.customer_id):
        raise NotFound
    if session.setup_intent_id is None:
        return SavedCard(None, session.status, None)
    return card_setup_finish(account=account, setup_intent_id=session.setup_intent_id)

"""Making ours what Stripe's is. Each may be called twice, and when what was found is not so any more: then it does nothing."""

from django.db import transaction

from accounts.models import Account
from billing.enums import ChangeStatus, SubscriptionStatus
from billing.errors import ProviderRefused
from billing.gateways.client import MISSING_OBJECT
from billing.gateways.stripe import gateway
from billing.locks import lock_account, lock_live_subscription, lock_subscription_by_stripe_id
from billing.models import Subscription
from billing.rules.overdue import OWING
from billing.selectors import live_subscription, price_by_stripe_id, scheduled_change
from billing.services.converge import subscription_refresh
from billing.services.entitlements import subscription_entitle
from billing.services.outcomes import after_the_end, change_record, subscription_close, subscription_mirror
from common.clock import database_now


@transaction.atomic
def entitlements_rewrite(account_id: int) -> None:
    """The account's limits as its plan has them now, whatever stands there."""
    lock_account(account_id)
    live = lock_live_subscription(account_id)
    subscription_entitle(
        account_id=account_id,
        subscription=live,
        scheduled=scheduled_change(account_id) if live else None,
        now=database_now(),
    )


def customer_forget(account: Account) -> None:
    """The next payment makes a new customer; a subscription of the old one is over."""
    live = live_subscription(account.pk)
    if live is not None and live.stripe_subscription_id is not None:
        try:
            subscription_refresh(stripe_subscription_id=live.stripe_subscription_id)
        except ProviderRefused as error:
            if error.provider_code != MISSING_OBJECT:
                raise
            subscription_end(account.pk, live.stripe_subscription_id)
    Account.objects.filter(pk=account.pk, stripe_customer_id=account.stripe_customer_id).update(
        stripe_customer_id=None
    )


@transaction.atomic
def subscription_end(account_id: int, stripe_id: str) -> None:
    """Stripe has no such subscription: ours is over, and what is free begins."""
    lock_account(account_id)
    lock_live_subscription(account_id)
    subscription = lock_subscription_by_stripe_id(stripe_id)
    if subscription is None or not subscription.is_live:
        return
    moment = database_now()
    change = scheduled_change(account_id)
    if change is not None and change.subscription_id == subscription.pk:
        change.status, change.settled_at = ChangeStatus.UNDONE, moment
        change.save()
        change_record(change, moment)
    subscription_close(subscription, status=SubscriptionStatus.CANCELED, moment=moment)
    after_the_end(subscription, moment)


def subscription_adopt(account_id: int, stripe_id: str) -> None:
    """Stripe's running subscription becomes the account's; a free one, or one that Stripe has ended, gives way."""
    read_at = database_now()
    state = gateway.subscription_get(stripe_id)
    unpaid = gateway.invoices_open(subscription_id=stripe_id) if state.status in OWING else ()
    price = price_by_stripe_id(state.price_id)
    with transaction.atomic():
        lock_account(account_id)
        live = lock_live_subscription(account_id)
        subscription = lock_subscription_by_stripe_id(stripe_id)
        if price is None or (subscription is not None and subscription.is_live):
            return
        moment = database_now()
        if live is not None:
            subscription_close(live, status=SubscriptionStatus.CANCELED, moment=moment)
        if subscription is None:
            subscription = Subscription(
                account_id=account_id, stripe_subscription_id=stripe_id, started_at=moment, revision=0
            )
        subscription.price, subscription.plan_version = price, price.version
        subscription.ended_at, subscription.end_cause = None, ""
        subscription_mirror(subscription, state, read_at, unpaid)
        subscription_entitle(account_id=account_id, subscription=subscription, scheduled=None, now=moment)

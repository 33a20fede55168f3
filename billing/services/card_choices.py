"""What makes a card the one that is charged, without anybody pressing a button: each such thing once.

The choice is a row, so that it survives a crash and Stripe's silence, and so that a later one overtakes it.
"""

from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from accounts.models import Account
from billing.errors import PaymentProviderUnavailable
from billing.locks import lock_account
from billing.models import CardChoice
from billing.services.customers import card_choices_locked, default_card_set
from common import outbox
from common.clock import database_now
from common.errors import NotFound

log = structlog.get_logger(__name__)

CHOOSE = "billing.tasks.card_choice_carry_out"


def card_choice_open(*, account_id: int, payment_method_id: str, cause: str, now: datetime) -> CardChoice:
    """The choice that follows from `cause`; made before, that one. In a transaction that has the account locked."""
    known = CardChoice.objects.filter(account_id=account_id, cause=cause).first()
    if known is not None:
        return known
    CardChoice.objects.filter(account_id=account_id, settled_at=None).update(settled_at=now)
    choice = CardChoice.objects.create(
        account_id=account_id, payment_method_id=payment_method_id, cause=cause, created_at=now
    )
    outbox.promise(CHOOSE, {"choice_id": str(choice.pk)}, now=now)
    return choice


def card_choose(*, account: Account, payment_method_id: str, cause: str) -> bool:
    """The same, carried out at once; False when it was before. PaymentProviderUnavailable: it is carried out later."""
    with transaction.atomic():
        lock_account(account.pk)
        choice = card_choice_open(
            account_id=account.pk, payment_method_id=payment_method_id, cause=cause, now=database_now()
        )
    if choice.settled_at is not None:
        return False
    card_choice_carry_out(choice_id=choice.pk)
    return True


def card_choice_carry_out(*, choice_id: UUID) -> None:
    """Tells Stripe, unless that is done or a later choice counts. Call it outside of transactions."""
    choice = CardChoice.objects.select_related("account").get(pk=choice_id)
    if choice.settled_at is not None:
        return
    with card_choices_locked(choice.account_id):
        if CardChoice.objects.filter(pk=choice.pk, settled_at=None).exists():
            try:
                default_card_set(account=choice.account, payment_method_id=choice.payment_method_id)
            except NotFound:
                log.info("chosen_card_is_gone", account=choice.account_id, cause=choice.cause)
            CardChoice.objects.filter(pk=choice.pk, settled_at=None).update(settled_at=database_now())


def card_choices_promptly(*, account_id: int) -> None:
    """What is open now; what Stripe does not answer to is carried out from the outbox."""
    for choice_id in CardChoice.objects.filter(account_id=account_id, settled_at=None).values_list(
        "pk", flat=True
    ):
        try:
            card_choice_carry_out(choice_id=choice_id)
        except PaymentProviderUnavailable:
            log.warning("card_choice_waits", account=account_id)

"""What beat asks for regularly."""

from uuid import UUID

from celery import shared_task
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.deletion import CARRY_OUT, deletion_carry_out
from accounts.news import news_tell
from accounts.notifications.mail import notification_send
from accounts.notifications.services import MAIL
from common import clock
from common.database import real_now
from common.outbox import outbox_task


@shared_task(name="accounts.tokens_prune")
def tokens_prune() -> None:
    """Forget refresh tokens that expired: they are refused for that alone."""
    OutstandingToken.objects.filter(expires_at__lt=real_now()).delete()


@shared_task(name="accounts.news_tell")
def tell_news() -> None:
    """Beat: goes on telling what staff have published."""
    while news_tell(now=clock.now()):
        pass


@outbox_task(MAIL, atomic=False)
def notification_mail(*, notification_id: str) -> None:
    """Send a notification's mail; an error of the mail server is tried again later."""
    notification_send(notification_id=UUID(notification_id), now=clock.now())


@outbox_task(CARRY_OUT, atomic=False)
def account_deletion(*, deletion_id: str) -> None:
    """Finish what a request began; until Stripe has answered it is tried again."""
    deletion_carry_out(deletion_id=UUID(deletion_id), now=clock.now())

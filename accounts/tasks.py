"""What beat asks for regularly."""

from celery import shared_task
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from common.database import real_now


@shared_task(name="accounts.tokens_prune")
def tokens_prune() -> None:
    """Forget refresh tokens that expired: they are refused for that alone."""
    OutstandingToken.objects.filter(expires_at__lt=real_now()).delete()

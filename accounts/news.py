"""News of features: published by staff, told by beat, person by person, to those who opted in."""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from accounts.enums import Channel, NotificationKind
from accounts.models import AccountKind, Membership, News, NewsAudience, User
from accounts.notifications import notify
from common import audit
from common.errors import NotFound

BATCH = 500


@transaction.atomic
def news_publish(*, news_id: UUID, actor: User, now: datetime) -> News:
    """From now on it is told. Published before: as it was. NotFound for one there is not."""
    news = News.objects.select_for_update().filter(pk=news_id).first()
    if news is None:
        raise NotFound
    if news.published_at is None:
        news.published_at = now
        news.save(update_fields=["published_at"])
        audit.record(actor=actor, account_id=None, action="news.published", subject=str(news.pk), now=now)
    return news


def news_tell(*, now: datetime, limit: int = BATCH) -> int:
    """Tell the next `limit` people of what is published; how many were told. Twice at once tells once.

    A batch and how far it came are one transaction: after a crash it goes on from there.
    """
    with transaction.atomic():
        news = (
            News.objects.select_for_update(skip_locked=True)
            .filter(published_at__isnull=False, done_at=None)
            .order_by("published_at", "pk")
            .first()
        )
        if news is None:
            return 0
        people = list(_audience(news).filter(pk__gt=news.reached_id).order_by("pk")[:limit])
        told = notify(
            kind=NotificationKind.NEWS,
            template="news",
            cause=f"news:{news.pk}",
            context={
                "title": {"en": news.title_en, "fr": news.title_fr},
                "text": {"en": news.text_en, "fr": news.text_fr},
                "path": news.path,
            },
            users=people,
            now=now,
        )
        news.reached_id = people[-1].pk if people else news.reached_id
        news.told += len(told)
        news.done_at = now if len(people) < limit else None
        news.save(update_fields=["reached_id", "told", "done_at"])
    return len(told)


def _audience(news: News) -> QuerySet[User]:
    """Active people who opted in, by whichever way."""
    opted_in = Q()
    for way in Channel.values:
        opted_in |= Q(**{f"notifications__{NotificationKind.NEWS.value}__{way}": True})
    people = User.objects.filter(opted_in, is_active=True)
    if news.audience == NewsAudience.PERSONS:
        return people.filter(personal_account__isnull=False)
    if news.audience == NewsAudience.ORGANISATIONS:
        places = Membership.objects.filter(user=OuterRef("pk"), account__kind=AccountKind.ORGANISATION)
        return people.filter(Exists(places))
    return people

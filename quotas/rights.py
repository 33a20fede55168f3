"""Telling the meter that an account's limits change, whoever changes them."""

from datetime import datetime

from django.db.models import Q

from quotas.models import Bucket, RightsVersion


def buckets_tell(account_id: int, now: datetime) -> None:
    """Under the account's lock, before its limits change: operations under way that know the old ones find the
    new version on their buckets, and start anew.
    """
    rights, _ = RightsVersion.objects.get_or_create(account_id=account_id, defaults={"version": 0})
    rights.version += 1
    rights.save(update_fields=["version"])
    open_buckets = Bucket.objects.filter(Q(ends_at__isnull=True) | Q(ends_at__gt=now), account_id=account_id)
    ids = list(open_buckets.order_by("id").select_for_update(no_key=True).values_list("id", flat=True))
    Bucket.objects.filter(pk__in=ids).update(rights_version=rights.version)

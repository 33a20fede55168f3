"""Months whose records were taken out of the books."""

from django.db import models


class DetachedMonth(models.Model):
    """A month whose usage records are no longer among the others; its days' figures stay.

    `month` is its first day (UTC). The records lie in `table_name` until that table is dropped, `record_count` of them; of
    things that exist none was taken out (`kept_count`), because they count for as long as they are there.
    """

    month = models.DateField(primary_key=True)
    table_name = models.CharField(max_length=63)
    record_count = models.BigIntegerField()
    kept_count = models.BigIntegerField()
    detached_at = models.DateTimeField()

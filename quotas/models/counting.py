"""What was used: counters, reservations, keys, records and the days' figures."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from quotas.enums import Mode, RecordKind, ReservationStatus, Window
from quotas.models.rights import Metric


class Bucket(models.Model):
    """The counter of one account, metric and window, for the window's [starts_at, ends_at).

    `limit_units` and `mode` are what the last grant went by, so that the database itself refuses a counter over its
    limit. A limit lowered later below what stands already grants nothing, so it never comes to be written here.

    `entitlement_id` is the right under which it counts everything. While its kind of limit is not in force, a bucket
    is not counted on; when a later right brings the limit back, it is first brought up to date from the records.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="buckets")
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT)
    window = models.CharField(max_length=8, choices=Window.choices)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)
    limit_units = models.BigIntegerField(null=True)
    mode = models.CharField(max_length=7, choices=Mode.choices)
    used_units = models.BigIntegerField(default=0)
    reserved_units = models.BigIntegerField(default=0)
    rights_version = models.BigIntegerField(default=0)
    entitlement_id = models.BigIntegerField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["account", "metric", "window", "starts_at"], name="bucket_once"),
            models.CheckConstraint(condition=Q(used_units__gte=0), name="bucket_used_ge_0"),
            models.CheckConstraint(condition=Q(reserved_units__gte=0), name="bucket_reserved_ge_0"),
            models.CheckConstraint(
                condition=Q(mode__in=[Mode.OVERAGE, Mode.CREDITS])
                | Q(limit_units__isnull=True)
                | Q(used_units__lte=F("limit_units") - F("reserved_units")),
                name="bucket_within_limit",
            ),
        ]


class Reservation(models.Model):
    """Units set aside while the work runs. Settled they become use; released or expired they go back.

    The operation belongs to the windows of `decided_at`, whenever it is settled: `bucket_ids` are those windows.
    Of its units `credit_units` are paid with `credits_per_unit` credits each, which have left the wallet already and come
    back when it is released; `overage_units` are past the credits. Settling one says what of it was paid with credits:
    a statement that does not know about them cannot settle it.
    """

    id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    metric_id = models.SmallIntegerField()
    credential_id = models.BigIntegerField(null=True)
    units = models.BigIntegerField()
    settled_units = models.BigIntegerField(null=True)
    credit_units = models.BigIntegerField(default=0, db_default=0)
    overage_units = models.BigIntegerField(default=0, db_default=0)
    credits_per_unit = models.PositiveIntegerField(null=True)
    settled_credit_units = models.BigIntegerField(null=True)
    bucket_ids = ArrayField(models.BigIntegerField())
    status = models.CharField(max_length=8, choices=ReservationStatus.choices)
    subject = models.CharField(max_length=200, blank=True)
    request_id = models.CharField(max_length=64, blank=True)
    record_id = models.BigIntegerField(null=True)
    decided_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["expires_at"], condition=Q(status="open"), name="reservation_open_expiry"),
            models.Index(
                fields=["account_id", "metric_id"], condition=Q(status="open"), name="reservation_open"
            ),
            BrinIndex(
                fields=["decided_at"], pages_per_range=32, autosummarize=True, name="reservation_by_age"
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(units__gt=0), name="reservation_units_gt_0"),
            models.CheckConstraint(
                condition=Q(settled_units__isnull=True)
                | Q(settled_units__gte=0, settled_units__lte=F("units")),
                name="reservation_settled_within",
            ),
            models.CheckConstraint(
                condition=Q(status="open", closed_at__isnull=True)
                | (~Q(status="open") & Q(closed_at__isnull=False)),
                name="reservation_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(credit_units=0, overage_units=0)
                | Q(
                    credit_units__gte=0,
                    overage_units__gte=0,
                    credits_per_unit__gte=1,
                    credits_per_unit__isnull=False,
                    units__gte=F("credit_units") + F("overage_units"),
                ),
                name="reservation_split",
            ),
            models.CheckConstraint(
                condition=~Q(status="settled")
                | Q(credit_units=0, overage_units=0)
                | Q(settled_credit_units__isnull=False, settled_credit_units__lte=F("credit_units")),
                name="reservation_credits_settled",
            ),
        ]


class OperationKey(models.Model):
    """One row for each accepted operation or batch of them, and for each decision a caller's own key must find again.

    Unique: what is sent twice, by whatever retry, counts once. A batch of the quick path has one row, of account 0. `decision` holds the first answer where the
    key came from the caller. Rows go after OPERATIONS_RETENTION_DAYS.
    """

    pk = models.CompositePrimaryKey("account_id", "key")
    account_id = models.BigIntegerField()
    key = models.UUIDField()
    fingerprint = models.UUIDField(null=True)
    decision = models.JSONField(null=True)
    record_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            BrinIndex(
                fields=["created_at"], pages_per_range=32, autosummarize=True, name="operation_key_by_age"
            )
        ]


class UsageRecord(models.Model):
    """One accepted operation; append-only, partitioned by month of `occurred_at` (see the first migration).

    `reverses_record_id`: the record that this one undoes, with the same units and a minus, at the same instant.
    """

    id = models.BigAutoField(primary_key=True)
    account_id = models.BigIntegerField()
    metric = models.ForeignKey(Metric, on_delete=models.DO_NOTHING, db_constraint=False)
    credential_id = models.BigIntegerField(null=True)
    kind = models.CharField(max_length=9, choices=RecordKind.choices)
    units = models.BigIntegerField()
    credit_units = models.BigIntegerField()
    overage_units = models.BigIntegerField()
    key = models.UUIDField()
    subject = models.CharField(max_length=200)
    request_id = models.CharField(max_length=64)
    reverses_record_id = models.BigIntegerField(null=True)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()

    class Meta:
        managed = False
        db_table = "quotas_usagerecord"


class UsageDay(models.Model):
    """What one account, and one credential of it, used of a metric on one UTC day; kept with each record.

    `hour_units[1..24]` splits `units` by hour. Figures shown anywhere come from here and equal the records' sums.
    """

    id = models.BigAutoField(primary_key=True)
    account_id = models.BigIntegerField()
    metric = models.ForeignKey(Metric, on_delete=models.DO_NOTHING, db_constraint=False)
    credential_id = models.BigIntegerField(null=True)
    day = models.DateField()
    units = models.BigIntegerField()
    overage_units = models.BigIntegerField()
    operations = models.BigIntegerField()
    hour_units = ArrayField(models.BigIntegerField(), size=24)
    updated_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account_id", "metric", "day", "credential_id"],
                nulls_distinct=False,
                name="usage_day_once",
            ),
        ]
        # Rows come in the order of days: a few pages say where today's are, and no update has to touch them.
        indexes: ClassVar = [
            BrinIndex(fields=["day"], pages_per_range=32, autosummarize=True, name="usage_day_by_day")
        ]

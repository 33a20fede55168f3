"""What the meter keeps. The engine writes buckets, records, keys, reservations and days; only it does.

Every table carries the account's id, so that all of one account's rows can live on one shard.
"""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Account
from quotas.enums import MetricKind, Mode, RecordKind, ReservationStatus, Source, Window


class Metric(models.Model):
    """A thing that is counted: messages, api_calls, personas."""

    id = models.SmallAutoField(primary_key=True)
    code = models.SlugField(max_length=40, unique=True)
    kind = models.CharField(max_length=8, choices=MetricKind.choices, default=MetricKind.COUNTER)
    name_en = models.CharField(max_length=80)
    name_fr = models.CharField(max_length=80)

    def __str__(self) -> str:
        return self.code


class Entitlement(models.Model):
    """An account's right to `limit_units` of a metric per window, while valid_from <= now < valid_until.

    `limit_units` null: unlimited. At one instant the strongest source counts for each (metric, window); different
    windows of one metric stack, and all must allow. `window_floor_at`: a period window never starts before this,
    so that moving the anchor shortens one window instead of resetting it.
    """

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="entitlements")
    metric = models.ForeignKey(Metric, on_delete=models.PROTECT)
    window = models.CharField(max_length=8, choices=Window.choices)
    limit_units = models.BigIntegerField(null=True)
    mode = models.CharField(max_length=7, choices=Mode.choices, default=Mode.BLOCK)
    source = models.CharField(max_length=8, choices=Source.choices)
    source_rank = models.PositiveSmallIntegerField()
    source_ref = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)
    anchor_at = models.DateTimeField(null=True)
    period_months = models.PositiveSmallIntegerField(null=True)
    window_floor_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["account", "metric", "valid_from"], name="entitlement_lookup")
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["account", "metric", "window", "source"],
                condition=Q(valid_until__isnull=True),
                name="entitlement_one_open_per_source",
            ),
            models.CheckConstraint(
                condition=Q(limit_units__isnull=True) | Q(limit_units__gte=0), name="limit_ge_0"
            ),
            models.CheckConstraint(
                condition=Q(valid_until__isnull=True) | Q(valid_until__gte=F("valid_from")),
                name="entitlement_times",
            ),
            models.CheckConstraint(
                condition=~Q(window=Window.PERIOD) | Q(anchor_at__isnull=False, period_months__gte=1),
                name="entitlement_period_anchored",
            ),
        ]


class RightsVersion(models.Model):
    """How often an account's limits were changed.

    An operation under way when limits change may know only the old ones. The change writes the new version to the
    account's open buckets too, so the operation, once it has their lock, sees that it is out of date and starts anew.
    """

    account = models.OneToOneField(Account, primary_key=True, on_delete=models.CASCADE, related_name="+")
    version = models.BigIntegerField()


class FeatureGrant(models.Model):
    """An account's right to a feature, while valid_from <= now < valid_until."""

    id = models.BigAutoField(primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE, related_name="feature_grants")
    feature = models.SlugField(max_length=40)
    source = models.CharField(max_length=8, choices=Source.choices)
    source_ref = models.CharField(max_length=80, blank=True)
    valid_from = models.DateTimeField()
    valid_until = models.DateTimeField(null=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["account", "feature"], name="feature_lookup")]


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
                condition=Q(mode=Mode.OVERAGE)
                | Q(limit_units__isnull=True)
                | Q(used_units__lte=F("limit_units") - F("reserved_units")),
                name="bucket_within_limit",
            ),
        ]


class Reservation(models.Model):
    """Units set aside while the work runs. Settled they become use; released or expired they go back.

    The operation belongs to the windows of `decided_at`, whenever it is settled: `bucket_ids` are those windows.
    """

    id = models.UUIDField(primary_key=True)
    account_id = models.BigIntegerField()
    metric_id = models.SmallIntegerField()
    credential_id = models.BigIntegerField(null=True)
    units = models.BigIntegerField()
    settled_units = models.BigIntegerField(null=True)
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
        ]


class OperationKey(models.Model):
    """One row for each accepted operation or batch of them, and for each decision a caller's own key must find again.

    Unique: what is sent twice, by whatever retry, counts once. A batch of the quick path has one row, of account 0. `decision` holds the first answer where the
    key came from the caller. Rows are dropped after the retention (docs/operations.md).
    """

    pk = models.CompositePrimaryKey("account_id", "key")
    account_id = models.BigIntegerField()
    key = models.UUIDField()
    fingerprint = models.UUIDField(null=True)
    decision = models.JSONField(null=True)
    record_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()


class UsageRecord(models.Model):
    """One accepted operation; append-only, partitioned by month of `occurred_at` (see the first migration)."""

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

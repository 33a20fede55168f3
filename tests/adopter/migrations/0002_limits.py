"""Columns become limits of the meter, and on the way back limits become columns again: nothing is lost either way.

In batches, each a transaction of its own, so that no lock is held for long; run again after a crash it goes on where it was,
because what is there already is left. Accounts are locked as every change of limits locks them, and the meter is told by the
version of their rights, so processes that serve meanwhile decide by the new limits from the next call on.
"""

from django.db import migrations, transaction
from django.db.models import F
from django.utils import timezone

REF = "adopter-columns"
BATCH = 500
COLUMNS = {"messages_per_day": ("messages", "day"), "exports_per_month": ("exports", "month")}
UNLIMITED = -1


def in_batches(rows):
    """Primary keys in order, some at a time."""
    last = 0
    while found := list(rows.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        yield found
        last = found[-1]


def tell_the_meter(apps, account_ids):
    """Whoever decides with the limits as they were starts anew: the version is on the open counters too."""
    versions, buckets = apps.get_model("quotas", "RightsVersion"), apps.get_model("quotas", "Bucket")
    for account_id in account_ids:
        versions.objects.get_or_create(account_id=account_id, defaults={"version": 0})
        versions.objects.filter(account_id=account_id).update(version=F("version") + 1)
        version = versions.objects.get(account_id=account_id).version
        buckets.objects.filter(account_id=account_id).update(rights_version=version)


def lock(apps, account_ids):
    accounts = apps.get_model("accounts", "Account").objects
    list(accounts.filter(pk__in=account_ids).order_by("pk").select_for_update(no_key=True))


def to_limits(apps, schema_editor):
    customers, limits = apps.get_model("adopter", "Customer"), apps.get_model("quotas", "Entitlement")
    metrics = dict(apps.get_model("quotas", "Metric").objects.values_list("code", "pk"))
    now = timezone.now()
    for batch in in_batches(customers.objects.all()):
        with transaction.atomic():
            rows = list(customers.objects.filter(pk__in=batch).order_by("account_id"))
            account_ids = [row.account_id for row in rows]
            lock(apps, account_ids)
            known = set(
                limits.objects.filter(account_id__in=account_ids, source_ref=REF).values_list("account_id", flat=True)
            )
            limits.objects.bulk_create(
                limits(
                    account_id=row.account_id,
                    metric_id=metrics[metric],
                    window=window,
                    limit_units=None if value == UNLIMITED else value,
                    mode="block",
                    source="default",
                    source_rank=0,
                    source_ref=REF,
                    valid_from=now,
                    created_at=now,
                )
                for row in rows
                if row.account_id not in known
                for column, (metric, window) in COLUMNS.items()
                if (value := getattr(row, column)) is not None
            )
            tell_the_meter(apps, account_ids)


def to_columns(apps, schema_editor):
    customers, limits = apps.get_model("adopter", "Customer"), apps.get_model("quotas", "Entitlement")
    for batch in in_batches(customers.objects.all()):
        with transaction.atomic():
            rows = {row.account_id: row for row in customers.objects.filter(pk__in=batch).order_by("account_id")}
            lock(apps, list(rows))
            own = limits.objects.filter(account_id__in=list(rows), source_ref=REF).select_related("metric")
            for limit in own:
                column = next(name for name, key in COLUMNS.items() if key == (limit.metric.code, limit.window))
                value = UNLIMITED if limit.limit_units is None else limit.limit_units
                setattr(rows[limit.account_id], column, value)
            customers.objects.bulk_update(rows.values(), list(COLUMNS))
            own.delete()
            tell_the_meter(apps, list(rows))


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("adopter", "0001_columns"), ("quotas", "0005_refused_calls")]

    operations = [migrations.RunPython(to_limits, to_columns)]

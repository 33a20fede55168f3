"""Finds the rows of a day, without stopping who writes meanwhile."""

from django.contrib.postgres.indexes import BrinIndex
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("quotas", "0005_refused_calls")]

    operations = [
        migrations.AlterModelOptions("ledgerentry", options={"verbose_name_plural": "ledger entries"}),
        AddIndexConcurrently(
            "usageday",
            BrinIndex(autosummarize=True, fields=["day"], name="usage_day_by_day", pages_per_range=32),
        ),
    ]

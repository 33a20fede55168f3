"""What an account's credits went to in a period, without reading all of its ledger."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("quotas", "0008_detached_months")]

    operations = [
        AddIndexConcurrently(
            "ledgerentry",
            models.Index(fields=["account", "occurred_at"], include=["kind", "units"], name="ledger_by_time"),
        ),
    ]

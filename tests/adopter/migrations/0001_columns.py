"""As it was: limits are columns. Empty: the metric cannot be used; -1: without a limit."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            "Customer",
            [
                ("id", models.BigAutoField(primary_key=True)),
                (
                    "account",
                    models.OneToOneField("accounts.account", on_delete=django.db.models.deletion.CASCADE),
                ),
                ("messages_per_day", models.BigIntegerField(null=True)),
                ("exports_per_month", models.BigIntegerField(null=True)),
            ],
        )
    ]

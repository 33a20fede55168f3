"""Why a subscription ended that nobody asked to end is told on the account's pages."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("billing", "0013_searches")]

    operations = [
        migrations.AddField(
            model_name="subscription",
            name="end_cause",
            field=models.CharField(
                blank=True,
                choices=[
                    ("trial", "no card was on file at its trial’s end"),
                    ("unpaid", "it was not paid"),
                    ("elsewhere", "ended by the payment service"),
                ],
                db_default="",
                default="",
                max_length=9,
            ),
        ),
        AddConstraintNotValid(
            "subscription",
            models.CheckConstraint(
                condition=Q(end_cause="") | Q(ended_at__isnull=False), name="subscription_end_cause_ended"
            ),
        ),
    ]

"""Why a subscription ended that nobody asked to end is told on the account's pages."""

from django.db import migrations, models


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
    ]

"""Support may raise a limit for some time."""

from django.db import migrations

from accounts.admin.roles import roles_install

BEFORE = [
    ("adjust_credits", "Can give or take credits"),
    ("cancel_subscription", "Can cancel a subscription"),
    ("refund_invoice", "Can refund an invoice"),
    ("replay_events", "Can apply events and promises again"),
    ("resend_message", "Can send a message again"),
    ("undo_change", "Can take a scheduled change back"),
]
RIGHT = ("override_limit", "Can raise a limit for some time")


def install(apps, schema_editor):
    roles_install(apps.get_model)


def remove(apps, schema_editor):
    apps.get_model("auth", "Permission").objects.filter(codename=RIGHT[0]).delete()


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_membership_notices")]

    operations = [
        migrations.AlterModelOptions("account", options={"permissions": [*BEFORE[:2], RIGHT, *BEFORE[2:]]}),
        migrations.RunPython(install, remove),
    ]

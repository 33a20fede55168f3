"""Invitations are taken by a link of which only the hash is kept. None was ever sent before."""

from django.db import migrations, models

ROLES = [
    ("owner", "Owner"),
    ("admin", "Administrator"),
    ("developer", "Developer"),
    ("billing", "Billing"),
    ("viewer", "Viewer"),
]


class Migration(migrations.Migration):
    dependencies = [("enterprise", "0004_contracts_sql"), ("accounts", "0004_roles")]

    operations = [
        migrations.RunSQL("DELETE FROM enterprise_invitation", migrations.RunSQL.noop),
        migrations.AlterField("invitation", "role", models.CharField(choices=ROLES, max_length=9)),
        migrations.AddField(
            "invitation",
            "token_hash",
            models.BinaryField(default=b"", max_length=32, unique=True),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            "invitation",
            models.CheckConstraint(
                condition=models.Q(accepted_by__isnull=True) | models.Q(closed_at__isnull=False),
                name="invitation_taken_is_closed",
            ),
        ),
    ]

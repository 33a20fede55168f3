"""More roles. Who was a plain member could look and nothing else: that is a viewer."""

from django.db import migrations, models

CHOICES = [
    ("owner", "Owner"),
    ("admin", "Administrator"),
    ("developer", "Developer"),
    ("billing", "Billing"),
    ("viewer", "Viewer"),
]
MEMBERS = "UPDATE accounts_membership SET role = 'viewer' WHERE role = 'member'"
# The way back keeps less: roles that did not exist become what could least.
MEMBERS_BACK = "UPDATE accounts_membership SET role = 'member' WHERE role IN ('developer', 'billing', 'viewer')"


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_deletion")]

    operations = [
        migrations.AlterField("membership", "role", models.CharField(choices=CHOICES, max_length=9)),
        migrations.RunSQL(MEMBERS, MEMBERS_BACK),
        migrations.AddConstraint(
            "membership",
            models.CheckConstraint(
                condition=models.Q(role__in=[code for code, _ in CHOICES]), name="membership_role_known"
            ),
        ),
    ]

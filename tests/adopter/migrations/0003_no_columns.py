"""In a release of its own: when this runs, no process reads the columns any more."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("adopter", "0002_limits")]

    operations = [
        migrations.RemoveField("customer", "messages_per_day"),
        migrations.RemoveField("customer", "exports_per_month"),
    ]

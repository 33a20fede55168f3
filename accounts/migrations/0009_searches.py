"""How staff look for an account, without reading all of them; and without stopping who writes meanwhile."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper

BY_NAME = "CREATE INDEX CONCURRENTLY account_by_name ON accounts_account (upper(name::text) text_pattern_ops)"


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0008_override")]

    operations = [
        AddIndexConcurrently("account", models.Index(Upper("billing_email"), name="account_by_billing_email")),
        migrations.RunSQL(BY_NAME, "DROP INDEX CONCURRENTLY account_by_name"),
    ]

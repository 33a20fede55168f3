"""How staff look for an account, without reading all of them; and without stopping who writes meanwhile."""

from django.contrib.postgres.indexes import OpClass
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.models.functions import Upper


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("accounts", "0008_override")]

    operations = [
        AddIndexConcurrently("account", models.Index(Upper("billing_email"), name="account_by_billing_email")),
        AddIndexConcurrently(
            "account", models.Index(OpClass(Upper("name"), name="text_pattern_ops"), name="account_by_name")
        ),
    ]

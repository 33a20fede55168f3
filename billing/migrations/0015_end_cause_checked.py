"""The rows of before suit the constraint; this reads them without stopping who writes meanwhile."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("billing", "0014_end_cause")]

    operations = [ValidateConstraint("subscription", "subscription_end_cause_ended")]

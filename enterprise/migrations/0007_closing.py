"""Organisations can be closed; only then nobody has to own one."""

import django.db.models.deletion
from django.db import migrations, models

BODY = """
CREATE OR REPLACE FUNCTION enterprise_guard_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF EXISTS (SELECT 1 FROM accounts_account WHERE id = OLD.account_id AND kind = 'organisation')
     AND NOT EXISTS (SELECT 1 FROM accounts_membership WHERE account_id = OLD.account_id AND role = 'owner'){but} THEN
    RAISE EXCEPTION 'an organisation needs an owner' USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NULL;
END $$;
"""
CLOSED = """
     AND NOT EXISTS (SELECT 1 FROM enterprise_closing WHERE account_id = OLD.account_id)"""


class Migration(migrations.Migration):
    dependencies = [("enterprise", "0006_credential_form_key"), ("accounts", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Closing",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.CASCADE,
                        primary_key=True,
                        related_name="closing",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                ("closed_at", models.DateTimeField()),
            ],
        ),
        migrations.RunSQL(BODY.format(but=CLOSED), BODY.format(but="")),
    ]

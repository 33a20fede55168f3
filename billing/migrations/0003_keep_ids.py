"""What the user wants kept at a downgrade, and the guard of the history that knows it."""

import django.contrib.postgres.fields
from django.db import migrations, models


GUARD = """
CREATE OR REPLACE FUNCTION billing_guard_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'billing_planchange is append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.id, NEW.account_id, NEW.subscription_id, NEW.user_id, NEW.from_price_id, NEW.to_price_id, NEW.kind,
      NEW.request_id, NEW.idempotency_key, NEW.quote_id, NEW.keep_ids, NEW.proration_at, NEW.due_minor, NEW.currency,
      NEW.requested_at)
     IS DISTINCT FROM
     (OLD.id, OLD.account_id, OLD.subscription_id, OLD.user_id, OLD.from_price_id, OLD.to_price_id, OLD.kind,
      OLD.request_id, OLD.idempotency_key, OLD.quote_id, OLD.keep_ids, OLD.proration_at, OLD.due_minor, OLD.currency,
      OLD.requested_at) THEN
    RAISE EXCEPTION 'what was asked for in a plan change is never rewritten'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND NOT (
       OLD.status = 'pending' AND NEW.status IN ('applied', 'scheduled', 'failed')
    OR OLD.status = 'scheduled' AND NEW.status IN ('applied', 'undone')
    OR OLD.status = 'failed' AND NEW.status IN ('applied', 'scheduled')) THEN
    RAISE EXCEPTION 'a plan change does not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""

GUARD_BACK = """
CREATE OR REPLACE FUNCTION billing_guard_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION 'billing_planchange is append-only' USING ERRCODE = 'restrict_violation';
  END IF;
  IF (NEW.id, NEW.account_id, NEW.subscription_id, NEW.user_id, NEW.from_price_id, NEW.to_price_id, NEW.kind,
      NEW.request_id, NEW.idempotency_key, NEW.quote_id, NEW.proration_at, NEW.due_minor, NEW.currency,
      NEW.requested_at)
     IS DISTINCT FROM
     (OLD.id, OLD.account_id, OLD.subscription_id, OLD.user_id, OLD.from_price_id, OLD.to_price_id, OLD.kind,
      OLD.request_id, OLD.idempotency_key, OLD.quote_id, OLD.proration_at, OLD.due_minor, OLD.currency,
      OLD.requested_at) THEN
    RAISE EXCEPTION 'what was asked for in a plan change is never rewritten'
      USING ERRCODE = 'restrict_violation';
  END IF;
  IF OLD.status <> NEW.status AND NOT (
       OLD.status = 'pending' AND NEW.status IN ('applied', 'scheduled', 'failed')
    OR OLD.status = 'scheduled' AND NEW.status IN ('applied', 'undone')
    OR OLD.status = 'failed' AND NEW.status IN ('applied', 'scheduled')) THEN
    RAISE EXCEPTION 'a plan change does not go from % to %', OLD.status, NEW.status
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
"""


class Migration(migrations.Migration):

    dependencies = [
        ("billing", "0002_sql"),
    ]

    operations = [
        migrations.AddField(
            model_name='planchange',
            name='keep_ids',
            field=django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=64), blank=True, default=list, size=None),
        ),
        migrations.RunSQL(GUARD, GUARD_BACK),
    ]

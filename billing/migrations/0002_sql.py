"""What may not be changed afterwards: the history of plan changes, and the terms people bought."""

from django.db import migrations

HISTORY = """
CREATE FUNCTION billing_guard_plan_change() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER billing_planchange_guard
  BEFORE UPDATE OR DELETE ON billing_planchange
  FOR EACH ROW EXECUTE FUNCTION billing_guard_plan_change();
"""

HISTORY_BACK = """
DROP TRIGGER billing_planchange_guard ON billing_planchange;
DROP FUNCTION billing_guard_plan_change();
"""

TERMS = """
CREATE FUNCTION billing_guard_terms() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  free_columns text[] := TG_ARGV[0]::text[];
BEGIN
  IF (to_jsonb(NEW) - free_columns) IS DISTINCT FROM (to_jsonb(OLD) - free_columns) THEN
    RAISE EXCEPTION 'the terms in % were sold and are never rewritten', TG_TABLE_NAME
      USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER billing_planversion_guard BEFORE UPDATE ON billing_planversion
  FOR EACH ROW EXECUTE FUNCTION billing_guard_terms('{superseded_at}');
CREATE TRIGGER billing_planlimit_guard BEFORE UPDATE ON billing_planlimit
  FOR EACH ROW EXECUTE FUNCTION billing_guard_terms('{}');
CREATE TRIGGER billing_price_guard BEFORE UPDATE ON billing_price
  FOR EACH ROW EXECUTE FUNCTION billing_guard_terms('{stripe_price_id}');
"""

TERMS_BACK = """
DROP TRIGGER billing_price_guard ON billing_price;
DROP TRIGGER billing_planlimit_guard ON billing_planlimit;
DROP TRIGGER billing_planversion_guard ON billing_planversion;
DROP FUNCTION billing_guard_terms();
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_initial"), ("common", "0002_sql")]

    operations = [
        migrations.RunSQL(HISTORY, HISTORY_BACK),
        migrations.RunSQL(TERMS, TERMS_BACK),
    ]

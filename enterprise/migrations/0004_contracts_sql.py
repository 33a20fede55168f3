"""What was agreed is never rewritten; an invoice's intent is never taken back."""

from django.db import migrations

TERMS = """
CREATE TRIGGER enterprise_contractterms_append_only
  BEFORE UPDATE OR DELETE ON enterprise_contractterms FOR EACH ROW EXECUTE FUNCTION palier_refuse_change();
CREATE TRIGGER enterprise_contractlimit_append_only
  BEFORE UPDATE OR DELETE ON enterprise_contractlimit FOR EACH ROW EXECUTE FUNCTION palier_refuse_change();
"""

TERMS_BACK = """
DROP TRIGGER enterprise_contractlimit_append_only ON enterprise_contractlimit;
DROP TRIGGER enterprise_contractterms_append_only ON enterprise_contractterms;
"""

INVOICES = """
CREATE FUNCTION enterprise_guard_period_invoice() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' THEN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  IF (to_jsonb(NEW) - TG_ARGV[0]::text[]) IS DISTINCT FROM (to_jsonb(OLD) - TG_ARGV[0]::text[]) THEN
    RAISE EXCEPTION 'what % asks for is never rewritten', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER enterprise_periodinvoice_guard BEFORE UPDATE OR DELETE ON enterprise_periodinvoice
  FOR EACH ROW EXECUTE FUNCTION enterprise_guard_period_invoice(
    '{status,stripe_invoice_id,invoiced_at,attempts,last_error}');
CREATE TRIGGER enterprise_periodinvoiceline_guard BEFORE UPDATE OR DELETE ON enterprise_periodinvoiceline
  FOR EACH ROW EXECUTE FUNCTION enterprise_guard_period_invoice('{stripe_item_id}');
"""

INVOICES_BACK = """
DROP TRIGGER enterprise_periodinvoiceline_guard ON enterprise_periodinvoiceline;
DROP TRIGGER enterprise_periodinvoice_guard ON enterprise_periodinvoice;
DROP FUNCTION enterprise_guard_period_invoice();
"""


class Migration(migrations.Migration):
    dependencies = [("enterprise", "0003_contracts"), ("common", "0002_sql")]

    operations = [
        migrations.RunSQL(TERMS, TERMS_BACK),
        migrations.RunSQL(INVOICES, INVOICES_BACK),
    ]

"""What Django's models cannot say of credits: the ledger is append-only, records may be reversed, once."""

from django.db import migrations

LEDGER = """
CREATE TRIGGER quotas_ledgerentry_append_only BEFORE UPDATE OR DELETE ON quotas_ledgerentry
  FOR EACH ROW EXECUTE FUNCTION palier_refuse_change();
"""

LEDGER_BACK = "DROP TRIGGER quotas_ledgerentry_append_only ON quotas_ledgerentry;"

# A reversing record stands at the instant of the one it reverses, so its partition keeps it from being reversed twice.
RECORDS = """
ALTER TABLE quotas_usagerecord ADD COLUMN reverses_record_id bigint;
ALTER TABLE quotas_usagerecord DROP CONSTRAINT usage_record_split;
ALTER TABLE quotas_usagerecord ADD CONSTRAINT usage_record_split CHECK (CASE kind
  WHEN 'give_back' THEN units < 0 AND credit_units = 0 AND overage_units = 0 AND reverses_record_id IS NULL
  WHEN 'reverse' THEN credit_units <= 0 AND overage_units <= 0 AND credit_units + overage_units >= units
    AND reverses_record_id IS NOT NULL
  ELSE units >= 0 AND credit_units >= 0 AND overage_units >= 0 AND credit_units + overage_units <= units
    AND reverses_record_id IS NULL
END);
CREATE UNIQUE INDEX usage_record_reversed_once ON quotas_usagerecord (reverses_record_id, occurred_at)
  WHERE reverses_record_id IS NOT NULL;
"""

RECORDS_BACK = """
DROP INDEX usage_record_reversed_once;
ALTER TABLE quotas_usagerecord DROP CONSTRAINT usage_record_split;
ALTER TABLE quotas_usagerecord DROP COLUMN reverses_record_id;
ALTER TABLE quotas_usagerecord ADD CONSTRAINT usage_record_split CHECK (
    kind = 'give_back' AND units < 0 AND credit_units = 0 AND overage_units = 0
    OR kind <> 'give_back' AND units >= 0 AND credit_units >= 0 AND overage_units >= 0
       AND credit_units + overage_units <= units);
"""


class Migration(migrations.Migration):
    dependencies = [("quotas", "0003_credits")]

    operations = [migrations.RunSQL(LEDGER, LEDGER_BACK), migrations.RunSQL(RECORDS, RECORDS_BACK)]

"""The database's own clock, and tables that only grow."""

from django.db import migrations

CLOCK = """
CREATE FUNCTION palier_now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT clock_timestamp() + coalesce((SELECT shift FROM common_sandbox_clock WHERE id = 1), interval '0')
$$;
CREATE FUNCTION palier_transaction_now() RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT transaction_timestamp() + coalesce((SELECT shift FROM common_sandbox_clock WHERE id = 1), interval '0')
$$;
"""

APPEND_ONLY = """
CREATE FUNCTION palier_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER common_auditentry_append_only
  BEFORE UPDATE OR DELETE ON common_auditentry
  FOR EACH ROW EXECUTE FUNCTION palier_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("common", "0001_initial")]

    operations = [
        migrations.RunSQL(CLOCK, "DROP FUNCTION palier_transaction_now(); DROP FUNCTION palier_now();"),
        migrations.RunSQL(
            APPEND_ONLY,
            "DROP TRIGGER common_auditentry_append_only ON common_auditentry; DROP FUNCTION palier_refuse_change();",
        ),
    ]

"""What Django's models cannot say: partitions, the windows' arithmetic, storage for rows that change often."""

from django.db import migrations

RECORDS = """
-- Ids are handed out to processes in blocks of 1,024, so that a batch knows them before it is written.
CREATE SEQUENCE quotas_record_block;
CREATE TABLE quotas_usagerecord (
  id bigint NOT NULL,
  account_id bigint NOT NULL,
  metric_id smallint NOT NULL,
  credential_id bigint,
  kind varchar(9) NOT NULL,
  units bigint NOT NULL,
  credit_units bigint NOT NULL DEFAULT 0,
  overage_units bigint NOT NULL DEFAULT 0,
  key uuid NOT NULL,
  subject varchar(200) NOT NULL DEFAULT '',
  request_id varchar(64) NOT NULL DEFAULT '',
  occurred_at timestamptz NOT NULL,
  recorded_at timestamptz NOT NULL,
  PRIMARY KEY (id, occurred_at),
  CONSTRAINT usage_record_split CHECK (
    kind = 'give_back' AND units < 0 AND credit_units = 0 AND overage_units = 0
    OR kind <> 'give_back' AND units >= 0 AND credit_units >= 0 AND overage_units >= 0
       AND credit_units + overage_units <= units)
) PARTITION BY RANGE (occurred_at);
CREATE INDEX usage_record_by_account ON quotas_usagerecord (account_id, metric_id, occurred_at);
CREATE TABLE quotas_usagerecord_rest PARTITION OF quotas_usagerecord DEFAULT;

CREATE FUNCTION quotas_ensure_partitions(from_at timestamptz, months integer) RETURNS integer
LANGUAGE plpgsql AS $$
-- Makes the monthly partitions from the month of from_at on that are missing and whose rows are not in the rest yet.
DECLARE
  month_start timestamp := date_trunc('month', from_at AT TIME ZONE 'UTC');
  made integer := 0;
  partition_name text;
BEGIN
  FOR i IN 0 .. months - 1 LOOP
    partition_name := 'quotas_usagerecord_' || to_char(month_start, 'YYYYMM');
    IF to_regclass(partition_name) IS NULL AND NOT EXISTS (
      SELECT 1 FROM quotas_usagerecord_rest
      WHERE occurred_at >= month_start AT TIME ZONE 'UTC'
        AND occurred_at < (month_start + interval '1 month') AT TIME ZONE 'UTC'
    ) THEN
      EXECUTE format(
        'CREATE TABLE %I PARTITION OF quotas_usagerecord FOR VALUES FROM (%L) TO (%L)',
        partition_name, month_start AT TIME ZONE 'UTC', (month_start + interval '1 month') AT TIME ZONE 'UTC');
      made := made + 1;
    END IF;
    month_start := month_start + interval '1 month';
  END LOOP;
  RETURN made;
END $$;
SELECT quotas_ensure_partitions(clock_timestamp(), 4);
"""

# Month arithmetic counts from the anchor, so 31 January is followed by 28 February and then by 31 March.
WINDOWS = """
CREATE FUNCTION quotas_period_index(at timestamptz, anchor timestamptz, months integer) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN (anchor AT TIME ZONE 'UTC') + make_interval(months => (guess * months)) > (at AT TIME ZONE 'UTC')
      THEN guess - 1
    WHEN (anchor AT TIME ZONE 'UTC') + make_interval(months => ((guess + 1) * months)) <= (at AT TIME ZONE 'UTC')
      THEN guess + 1
    ELSE guess
  END
  FROM (SELECT floor((
      (extract(year FROM at AT TIME ZONE 'UTC') - extract(year FROM anchor AT TIME ZONE 'UTC')) * 12
      + extract(month FROM at AT TIME ZONE 'UTC') - extract(month FROM anchor AT TIME ZONE 'UTC')
    ) / months)::integer AS guess) AS g
$$;

CREATE FUNCTION quotas_window_start(
  kind text, at timestamptz, anchor timestamptz, months integer, floor_at timestamptz
) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE kind
    WHEN 'day' THEN date_trunc('day', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    WHEN 'month' THEN date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    WHEN 'hour' THEN date_trunc('hour', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC'
    WHEN 'capacity' THEN timestamptz '1970-01-01 00:00:00+00'
    ELSE greatest(floor_at, ((anchor AT TIME ZONE 'UTC')
      + make_interval(months => quotas_period_index(at, anchor, months) * months)) AT TIME ZONE 'UTC')
  END
$$;

CREATE FUNCTION quotas_window_end(
  kind text, at timestamptz, anchor timestamptz, months integer
) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE kind
    WHEN 'day' THEN (date_trunc('day', at AT TIME ZONE 'UTC') + interval '1 day') AT TIME ZONE 'UTC'
    WHEN 'month' THEN (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC'
    WHEN 'hour' THEN (date_trunc('hour', at AT TIME ZONE 'UTC') + interval '1 hour') AT TIME ZONE 'UTC'
    WHEN 'capacity' THEN NULL
    ELSE ((anchor AT TIME ZONE 'UTC')
      + make_interval(months => (quotas_period_index(at, anchor, months) + 1) * months)) AT TIME ZONE 'UTC'
  END
$$;
"""

# A day's use by hour, as an array of 24: one row a day is updated instead of two.
HOURS = """
CREATE FUNCTION quotas_hours(units bigint, at timestamptz) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_fill(0::bigint, ARRAY[extract(hour FROM at AT TIME ZONE 'UTC')::integer])
    || units || array_fill(0::bigint, ARRAY[23 - extract(hour FROM at AT TIME ZONE 'UTC')::integer])
$$;
CREATE FUNCTION quotas_add_hours(a bigint[], b bigint[]) RETURNS bigint[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT ARRAY[a[1]+b[1], a[2]+b[2], a[3]+b[3], a[4]+b[4], a[5]+b[5], a[6]+b[6], a[7]+b[7], a[8]+b[8],
    a[9]+b[9], a[10]+b[10], a[11]+b[11], a[12]+b[12], a[13]+b[13], a[14]+b[14], a[15]+b[15], a[16]+b[16],
    a[17]+b[17], a[18]+b[18], a[19]+b[19], a[20]+b[20], a[21]+b[21], a[22]+b[22], a[23]+b[23], a[24]+b[24]]
$$;
"""

# Fails the statement that asks when a count is not what it must be: all that the statement did is undone.
EXPECT = """
CREATE FUNCTION quotas_expect(actual bigint, expected bigint) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF actual <> expected THEN
    RAISE EXCEPTION 'a rival was first' USING ERRCODE = 'serialization_failure';
  END IF;
  RETURN true;
END $$;
"""

# Rows updated at every call stay on their page (heap-only updates) when it has room.
STORAGE = """
ALTER TABLE quotas_bucket SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE quotas_usageday SET (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE quotas_reservation SET (fillfactor = 80);
"""


class Migration(migrations.Migration):
    dependencies = [("quotas", "0001_initial"), ("common", "0002_sql")]

    operations = [
        migrations.RunSQL(RECORDS, "DROP FUNCTION quotas_ensure_partitions; DROP TABLE quotas_usagerecord; DROP SEQUENCE quotas_record_block;"),
        migrations.RunSQL(
            WINDOWS,
            "DROP FUNCTION quotas_window_end; DROP FUNCTION quotas_window_start; DROP FUNCTION quotas_period_index;",
        ),
        migrations.RunSQL(HOURS, "DROP FUNCTION quotas_hours; DROP FUNCTION quotas_add_hours;"),
        migrations.RunSQL(EXPECT, "DROP FUNCTION quotas_expect;"),
        migrations.RunSQL(STORAGE, migrations.RunSQL.noop),
    ]

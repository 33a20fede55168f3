"""The counters of a batch are locked and written by functions: small statements, each with a snapshot of its own.

A statement that comes upon a row which a rival has changed since it began starts all of itself anew beside itself, to see
whether the row still belongs to it. The engine's statements are large, and where callers contend for one counter each of
them came upon such a row twice: a quarter of what the server did for them, most of it while it held the lock. What the
functions run is small, and they find the row as it is.
"""

from django.db import migrations

# Locked in order of id; one array each of what stands in them, in that order. Of an id that does not exist there is
# nothing: the arrays are shorter then.
LOCK = """
CREATE FUNCTION quotas_lock_buckets(ids bigint[], OUT used bigint[], OUT reserved bigint[], OUT versions bigint[],
  OUT rights bigint[], OUT limits bigint[], OUT modes text[]) LANGUAGE plpgsql AS $$
BEGIN
  SELECT array_agg(b.used_units ORDER BY b.id), array_agg(b.reserved_units ORDER BY b.id),
    array_agg(b.rights_version ORDER BY b.id), array_agg(coalesce(b.entitlement_id, 0) ORDER BY b.id),
    array_agg(b.limit_units ORDER BY b.id), array_agg(b.mode ORDER BY b.id)
  INTO used, reserved, versions, rights, limits, modes
  FROM (SELECT * FROM quotas_bucket WHERE id = ANY (ids) ORDER BY id FOR NO KEY UPDATE) b;
END $$;
"""

# Adds to counters that are locked already, and says how many there were. Without `new_modes` they keep limit and mode.
COUNT = """
CREATE FUNCTION quotas_count_units(ids bigint[], add_used bigint[], add_reserved bigint[], new_limits bigint[],
  new_modes text[], at timestamptz) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  written bigint;
BEGIN
  UPDATE quotas_bucket b SET used_units = b.used_units + n.used, reserved_units = b.reserved_units + n.reserved,
    limit_units = CASE WHEN n.mode IS NULL THEN b.limit_units ELSE n.most END, mode = coalesce(n.mode, b.mode),
    updated_at = at
  FROM unnest(ids, add_used, add_reserved, new_limits, new_modes) AS n(id, used, reserved, most, mode)
  WHERE b.id = n.id;
  GET DIAGNOSTICS written = ROW_COUNT;
  RETURN written;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("quotas", "0009_ledger_by_time")]

    operations = [
        migrations.RunSQL(LOCK, "DROP FUNCTION quotas_lock_buckets;"),
        migrations.RunSQL(COUNT, "DROP FUNCTION quotas_count_units;"),
    ]

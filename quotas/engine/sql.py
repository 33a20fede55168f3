# ruff: noqa: S608 - statements are composed of constants of this file only
"""The engine's statements. All are set-based: one statement serves a whole batch.

Parameters are arrays written as literals and cast here, so that a statement is prepared once whatever the values.
"now" is the transaction's start by the database's clock: every statement of a batch falls into the same windows.
"""


def _compact(statement: str) -> str:
    """The statement without its indentation: psycopg remembers how to send a statement of at most 4,096 characters, and
    works it out anew each time for a longer one.
    """
    return " ".join(statement.split())


# The limits in force for each demanded (account, metric): per window the strongest source, and the window's bounds.
_BOUND = """
bound AS MATERIALIZED (
  SELECT DISTINCT ON (d.account_id, d.metric_id, e."window")
    d.account_id, d.metric_id, d.units, e."window", e.limit_units, e.mode, e.source, e.source_ref,
    coalesce(v.version, 0) AS version, e.id AS entitlement_id,
    quotas_window_start(e."window", clock.at, e.anchor_at, e.period_months, e.window_floor_at) AS starts_at,
    quotas_window_end(e."window", clock.at, e.anchor_at, e.period_months) AS ends_at
  FROM demand d CROSS JOIN clock
  JOIN quotas_entitlement e ON e.account_id = d.account_id AND e.metric_id = d.metric_id
    AND e.valid_from <= clock.at AND (e.valid_until IS NULL OR e.valid_until > clock.at)
  LEFT JOIN quotas_rightsversion v ON v.account_id = d.account_id
  ORDER BY d.account_id, d.metric_id, e."window", e.source_rank DESC, e.id DESC
)"""

_CLOCK = "clock AS MATERIALIZED (SELECT palier_transaction_now() AS at)"

# The buckets of the limits in force under lock, in order of id, and whether all that is demanded fits. Writes wait
# for `verdict`, and it for `held`: so locks come first. What stands in the buckets is what the lock found, never what
# this statement's snapshot shows: a rival may have changed them since. `place` is a bucket's place in the lock's arrays.
_LOCKED = """
wanted AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY b.id)::integer AS place, b.id, bound.*
  FROM bound JOIN quotas_bucket b ON b.account_id = bound.account_id AND b.metric_id = bound.metric_id
    AND b."window" = bound."window" AND b.starts_at = bound.starts_at
),
held AS MATERIALIZED (
  SELECT * FROM quotas_lock_buckets((SELECT array_agg(id) FROM wanted))
),
locked AS MATERIALIZED (
  SELECT wanted.*, used[place] AS used_units, reserved[place] AS reserved_units, versions[place] AS rights_version,
    rights[place] AS counts_under
  FROM wanted, held
),
verdict AS MATERIALIZED (
  SELECT (SELECT cardinality(used) FROM held) = (SELECT count(*) FROM bound)
    AND (SELECT count(DISTINCT (account_id, metric_id)) FROM bound) = (SELECT count(*) FROM demand)
    AND coalesce((SELECT bool_and(rights_version <= version AND counts_under = entitlement_id
                    AND (limit_units IS NULL OR used_units + reserved_units + units <= limit_units))
                  FROM locked), false) AS ok
)"""

# The counters as they were before this statement; one row without a counter when nothing was done.
_COUNTERS = """
SELECT CASE WHEN verdict.ok THEN quotas_expect(counted.buckets, (SELECT count(*) FROM locked)) END, clock.at,
  locked.account_id, locked.metric_id, locked."window", locked.source, locked.source_ref, locked.limit_units, locked.mode,
  locked.used_units, locked.reserved_units, locked.starts_at, locked.ends_at
FROM verdict CROSS JOIN clock CROSS JOIN counted LEFT JOIN locked ON verdict.ok
"""

# What the records of a batch add to their days; `at` is when they count, the same hour for all of a batch.
_ROLLED = """
rolled AS (
  INSERT INTO quotas_usageday AS day (account_id, metric_id, credential_id, day, units, overage_units, operations,
    hour_units, updated_at)
  SELECT account_id, metric_id, credential_id, (min({at}) AT TIME ZONE 'UTC')::date, sum(units), 0, count(*),
    quotas_hours(sum(units)::bigint, min({at})), min(clock.at)
  FROM {rows}, clock
  GROUP BY account_id, metric_id, credential_id
  ORDER BY account_id, metric_id, credential_id
  ON CONFLICT (account_id, metric_id, day, credential_id) DO UPDATE SET
    units = day.units + excluded.units, operations = day.operations + excluded.operations,
    hour_units = quotas_add_hours(day.hour_units, excluded.hour_units), updated_at = excluded.updated_at
)"""

# A batch stands under one key, of account 0. When its answer is lost, CLAIM_BATCH tells whether it was done; and if
# it was not, it never will be, even should the server come to it only now: it would fail on the key.
CLAIM_BATCH = """
INSERT INTO quotas_operationkey AS k (account_id, key, fingerprint, created_at)
VALUES (0, %(key)s, %(key)s, palier_now())
ON CONFLICT (account_id, key) DO UPDATE SET key = k.key
RETURNING k.fingerprint IS NULL
"""
_KEYED = """
keyed AS (
  INSERT INTO quotas_operationkey (account_id, key, created_at)
  SELECT 0, batch.key, clock.at FROM batch, verdict, clock WHERE verdict.ok
)"""

# A batch of consumption in one statement. Nothing at all happens unless every operation fits: then `ok` is false and
# the careful path decides.
CONSUME_ALL = _compact(f"""
WITH ops AS MATERIALIZED (
  SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::bigint[])
    AS o(account_id, metric_id, credential_id, units, subject, request_id, record_id)
),
batch AS MATERIALIZED (SELECT %s::uuid AS key), {_CLOCK},
demand AS MATERIALIZED (
  SELECT account_id, metric_id, sum(units)::bigint AS units FROM ops GROUP BY account_id, metric_id
), {_BOUND}, {_LOCKED}, {_KEYED},
accepted AS MATERIALIZED (SELECT ops.* FROM ops, verdict WHERE verdict.ok),
counted AS MATERIALIZED (
  SELECT quotas_count_units(array_agg(id), array_agg(units), array_agg(0::bigint), array_agg(limit_units), array_agg(mode),
    min(clock.at)) AS buckets
  FROM locked, verdict, clock WHERE verdict.ok
),
recorded AS (
  INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units,
    key, subject, request_id, occurred_at, recorded_at)
  SELECT record_id, account_id, metric_id, credential_id, 'consume', units, 0, 0, batch.key, subject, request_id,
    clock.at, clock.at
  FROM accepted, batch, clock
), {_ROLLED.format(at="clock.at", rows="accepted")}
{_COUNTERS}
""")

# A batch of reservations, likewise.
RESERVE_ALL = _compact(f"""
WITH ops AS MATERIALIZED (
  SELECT * FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::uuid[],
                       %s::integer[])
    AS o(account_id, metric_id, credential_id, units, subject, request_id, id, ttl_s)
),
batch AS MATERIALIZED (SELECT %s::uuid AS key), {_CLOCK},
demand AS MATERIALIZED (
  SELECT account_id, metric_id, sum(units)::bigint AS units FROM ops GROUP BY account_id, metric_id
), {_BOUND}, {_LOCKED}, {_KEYED},
counted AS MATERIALIZED (
  SELECT quotas_count_units(array_agg(id), array_agg(0::bigint), array_agg(units), array_agg(limit_units), array_agg(mode),
    min(clock.at)) AS buckets
  FROM locked, verdict, clock WHERE verdict.ok
),
buckets AS MATERIALIZED (
  SELECT account_id, metric_id, array_agg(id ORDER BY id) AS ids FROM locked GROUP BY account_id, metric_id
),
kept AS (
  INSERT INTO quotas_reservation (id, account_id, metric_id, credential_id, units, bucket_ids, status, subject,
    request_id, decided_at, expires_at)
  SELECT ops.id, account_id, metric_id, credential_id, units, buckets.ids, 'open', subject, request_id, clock.at,
    clock.at + make_interval(secs => ttl_s)
  FROM ops JOIN buckets USING (account_id, metric_id), verdict, clock WHERE verdict.ok
)
{_COUNTERS}
""")

# A batch of reservations settled in full. One that is closed already, or charged past its limit, or of another hour
# than its neighbours, leaves the batch to the careful path. `found` is read before the locks: should a rival close
# one of them in between, the counts differ and the statement fails as a whole.
SETTLE_ALL = _compact(f"""
WITH ops AS MATERIALIZED (
  SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::bigint[])
    AS o(account_id, reservation_id, request_id, record_id)
),
batch AS MATERIALIZED (SELECT %s::uuid AS key), {_CLOCK},
found AS MATERIALIZED (
  SELECT r.id, r.bucket_ids, r.decided_at, ops.record_id, coalesce(nullif(ops.request_id, ''), r.request_id) AS request_id
  FROM ops CROSS JOIN clock JOIN quotas_reservation r ON r.id = ops.reservation_id AND r.account_id = ops.account_id
    AND r.status = 'open' AND r.expires_at > clock.at
),
wanted AS MATERIALIZED (SELECT DISTINCT unnest(bucket_ids) AS id FROM found),
held AS MATERIALIZED (
  SELECT * FROM quotas_lock_buckets((SELECT array_agg(id) FROM wanted))
),
verdict AS MATERIALIZED (
  SELECT (SELECT count(*) FROM found) = (SELECT count(*) FROM ops)
    AND (SELECT cardinality(used) FROM held) = (SELECT count(*) FROM wanted)
    AND coalesce((SELECT bool_and(mode = 'block' OR most IS NULL) FROM held, unnest(limits, modes) AS b(most, mode)), false)
    AND (SELECT count(DISTINCT date_trunc('hour', decided_at AT TIME ZONE 'UTC')) FROM found) = 1 AS ok
), {_KEYED},
accepted AS (
  UPDATE quotas_reservation r SET status = 'settled', settled_units = r.units, record_id = found.record_id,
    closed_at = clock.at
  FROM found, verdict, clock WHERE verdict.ok AND r.id = found.id AND r.status = 'open'
  RETURNING r.id, r.account_id, r.metric_id, r.credential_id, r.units, r.bucket_ids, r.subject, r.decided_at,
    found.record_id, found.request_id
),
tally AS MATERIALIZED (
  SELECT bucket_id, sum(units)::bigint AS units FROM accepted, unnest(bucket_ids) AS bucket_id GROUP BY bucket_id
),
counted AS MATERIALIZED (
  SELECT quotas_count_units(array_agg(bucket_id), array_agg(units), array_agg(-units), NULL, NULL, min(clock.at)) AS buckets
  FROM tally, clock
),
recorded AS (
  INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units,
    key, subject, request_id, occurred_at, recorded_at)
  SELECT record_id, account_id, metric_id, credential_id, 'settle', units, 0, 0, batch.key, subject, request_id,
    decided_at, clock.at
  FROM accepted, batch, clock
), {_ROLLED.format(at="decided_at", rows="accepted")}
SELECT verdict.ok, clock.at, settled.id, settled.units,
  CASE WHEN verdict.ok THEN quotas_expect((SELECT count(*) FROM accepted), (SELECT count(*) FROM ops))
    AND quotas_expect(counted.buckets, (SELECT count(*) FROM tally)) END
FROM verdict CROSS JOIN clock CROSS JOIN counted LEFT JOIN accepted AS settled ON true
""")

# The counters of these (account, metric) as they stand, in the form of CONSUME_ALL's rows.
READ_COUNTERS = f"""
WITH {_CLOCK},
demand AS MATERIALIZED (
  SELECT account_id, metric_id, 0::bigint AS units
  FROM unnest(%s::bigint[], %s::smallint[]) AS d(account_id, metric_id)
), {_BOUND}
SELECT true, clock.at, bound.account_id, bound.metric_id, bound."window", bound.source, bound.source_ref,
  bound.limit_units, bound.mode, b.used_units, b.reserved_units, bound.starts_at, bound.ends_at
FROM clock CROSS JOIN bound JOIN quotas_bucket b ON b.account_id = bound.account_id
  AND b.metric_id = bound.metric_id AND b."window" = bound."window" AND b.starts_at = bound.starts_at
UNION ALL SELECT true, clock.at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM clock
"""

# The careful path, first round trip: limits in force, and their buckets locked in order of id. A bound whose bucket
# does not exist yet comes back without one. With them are locked the buckets of the reservations to be closed, those of
# reservations past their time (they give way), and those of things that exist (they can be given back when the right
# to them has ended). The last row tells the time.
LOCK_BUCKETS = f"""
WITH demand AS MATERIALIZED (
  SELECT DISTINCT account_id, metric_id, 0::bigint AS units
  FROM unnest(%s::bigint[], %s::smallint[]) AS d(account_id, metric_id)
), {_CLOCK}, {_BOUND},
held AS MATERIALIZED (
  SELECT DISTINCT unnest(bucket_ids) AS bucket_id FROM quotas_reservation WHERE id = ANY(%s::uuid[])
  UNION SELECT unnest(r.bucket_ids) FROM demand CROSS JOIN clock JOIN quotas_reservation r
    ON r.account_id = demand.account_id AND r.metric_id = demand.metric_id
    AND r.status = 'open' AND r.expires_at <= clock.at
),
wanted AS MATERIALIZED (
  SELECT b.id FROM bound JOIN quotas_bucket b ON b.account_id = bound.account_id
    AND b.metric_id = bound.metric_id AND b."window" = bound."window" AND b.starts_at = bound.starts_at
  UNION SELECT bucket_id FROM held
  UNION SELECT b.id FROM demand JOIN quotas_bucket b ON b.account_id = demand.account_id
    AND b.metric_id = demand.metric_id AND b."window" = 'capacity'
    AND b.starts_at = quotas_window_start('capacity', NULL, NULL, NULL, NULL)
),
locked AS MATERIALIZED (
  SELECT b.* FROM quotas_bucket b JOIN wanted USING (id) ORDER BY b.id FOR NO KEY UPDATE OF b
)
SELECT clock.at, bound.account_id, bound.metric_id, bound."window", bound.source, bound.source_ref,
  bound.limit_units, bound.mode, bound.starts_at, bound.ends_at, bound.version, bound.entitlement_id,
  b.id, b.used_units, b.reserved_units, b.rights_version, b.entitlement_id
FROM clock CROSS JOIN bound LEFT JOIN locked b ON b.account_id = bound.account_id
  AND b.metric_id = bound.metric_id AND b."window" = bound."window" AND b.starts_at = bound.starts_at
UNION ALL
SELECT clock.at, b.account_id, b.metric_id, b."window", NULL, NULL, b.limit_units, b.mode, b.starts_at, b.ends_at, NULL, NULL,
  b.id, b.used_units, b.reserved_units, b.rights_version, b.entitlement_id
FROM clock CROSS JOIN locked b
UNION ALL
SELECT clock.at, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM clock
"""

CREATE_BUCKETS = """
INSERT INTO quotas_bucket (account_id, metric_id, "window", starts_at, ends_at, limit_units, mode, rights_version,
  used_units, reserved_units, updated_at)
SELECT account_id, metric_id, "window", starts_at, ends_at, limit_units, mode, version, 0, 0, palier_transaction_now()
FROM unnest(%s::bigint[], %s::smallint[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::bigint[], %s::text[],
            %s::bigint[])
  AS n(account_id, metric_id, "window", starts_at, ends_at, limit_units, mode, version)
ORDER BY account_id, metric_id, "window", starts_at
ON CONFLICT (account_id, metric_id, "window", starts_at) DO NOTHING
"""

# A bucket that is new, or that did not count while its kind of limit was not in force, takes what was used in its
# window from the records, and what is held from the reservations. Run when all of the batch's buckets are locked:
# whatever counted before has committed, whatever counts later sees the bucket.
REFRESH_BUCKETS = """
WITH stale AS MATERIALIZED (
  SELECT b.*, n.entitlement_id AS counts_under
  FROM unnest(%s::bigint[], %s::bigint[]) AS n(id, entitlement_id) JOIN quotas_bucket b ON b.id = n.id
),
holding AS MATERIALIZED (
  SELECT stale.id AS bucket_id, r.id, r.units, r.bucket_ids
  FROM stale JOIN quotas_reservation r ON r.account_id = stale.account_id AND r.metric_id = stale.metric_id
    AND r.status = 'open' AND r.decided_at >= stale.starts_at AND (stale.ends_at IS NULL OR r.decided_at < stale.ends_at)
),
joined AS (
  UPDATE quotas_reservation r SET bucket_ids = r.bucket_ids || fresh.ids
  FROM (SELECT id, array_agg(bucket_id) AS ids FROM holding WHERE NOT bucket_ids @> ARRAY[bucket_id] GROUP BY id) AS fresh
  WHERE r.id = fresh.id
),
figures AS (
  SELECT stale.id, stale.counts_under, coalesce(CASE WHEN stale."window" IN ('day', 'month', 'capacity') THEN (
      SELECT sum(d.units) FROM quotas_usageday d
      WHERE d.account_id = stale.account_id AND d.metric_id = stale.metric_id
        AND d.day >= (stale.starts_at AT TIME ZONE 'UTC')::date
        AND (stale.ends_at IS NULL OR d.day < (stale.ends_at AT TIME ZONE 'UTC')::date)
    ) ELSE (
      SELECT sum(r.units) FROM quotas_usagerecord r
      WHERE r.account_id = stale.account_id AND r.metric_id = stale.metric_id
        AND r.occurred_at >= stale.starts_at AND r.occurred_at < stale.ends_at
    ) END, 0) AS used,
    coalesce((SELECT sum(holding.units) FROM holding WHERE holding.bucket_id = stale.id), 0) AS reserved
  FROM stale
)
UPDATE quotas_bucket b SET used_units = f.used, reserved_units = f.reserved, entitlement_id = f.counts_under,
  limit_units = greatest(b.limit_units, f.used + f.reserved)
FROM figures f WHERE b.id = f.id
"""

# Read after the buckets are locked: whoever used a key before has committed it by then.
FIND_KEYS = """
SELECT k.account_id, k.key, k.fingerprint, k.decision, k.record_id
FROM unnest(%s::bigint[], %s::uuid[]) AS o(account_id, key)
JOIN quotas_operationkey k ON k.account_id = o.account_id AND k.key = o.key
"""

# The reservations to be closed, and those past their time that still take room from what is asked for.
LOCK_RESERVATIONS = """
SELECT id, account_id, metric_id, credential_id, units, bucket_ids, status, subject, request_id, decided_at,
  expires_at, record_id, settled_units, credit_units, overage_units, credits_per_unit
FROM quotas_reservation
WHERE id = ANY(%s::uuid[])
ORDER BY id FOR UPDATE
"""

LOCK_OVERDUE = """
SELECT r.id, r.account_id, r.metric_id, r.credential_id, r.units, r.bucket_ids, r.status, r.subject, r.request_id,
  r.decided_at, r.expires_at, r.record_id, r.settled_units, r.credit_units, r.overage_units, r.credits_per_unit
FROM quotas_reservation r
WHERE r.status = 'open' AND r.expires_at <= palier_transaction_now() AND r.bucket_ids <@ %s::bigint[]
  AND EXISTS (SELECT 1 FROM unnest(%s::bigint[], %s::smallint[]) AS d(account_id, metric_id)
              WHERE d.account_id = r.account_id AND d.metric_id = r.metric_id)
ORDER BY r.id LIMIT 1000 FOR UPDATE SKIP LOCKED
"""

ENTITLED_ACCOUNTS = """
SELECT DISTINCT account_id FROM quotas_entitlement
WHERE account_id = ANY(%s::bigint[]) AND valid_from <= palier_transaction_now()
  AND (valid_until IS NULL OR valid_until > palier_transaction_now())
"""

WRITE_BUCKETS = """
UPDATE quotas_bucket b SET used_units = n.used, reserved_units = n.reserved, updated_at = palier_transaction_now(),
  limit_units = CASE WHEN n.granted THEN n.limit_units ELSE b.limit_units END,
  mode = CASE WHEN n.granted THEN n.mode ELSE b.mode END
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::text[], %s::boolean[])
  AS n(id, used, reserved, limit_units, mode, granted)
WHERE b.id = n.id
"""

WRITE_RECORDS = """
INSERT INTO quotas_usagerecord (id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units,
  key, subject, request_id, occurred_at, recorded_at)
SELECT id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units, key, subject, request_id,
  occurred_at, palier_transaction_now()
FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::bigint[], %s::text[], %s::bigint[], %s::bigint[],
            %s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::timestamptz[])
  AS r(id, account_id, metric_id, credential_id, kind, units, credit_units, overage_units, key, subject, request_id,
       occurred_at)
"""

WRITE_DAYS = """
INSERT INTO quotas_usageday AS day (account_id, metric_id, credential_id, day, units, overage_units, operations,
  hour_units, updated_at)
SELECT account_id, metric_id, credential_id, day, units, overage_units, operations, hour_units::bigint[],
  palier_transaction_now()
FROM unnest(%s::bigint[], %s::smallint[], %s::bigint[], %s::date[], %s::bigint[], %s::bigint[], %s::bigint[],
            %s::text[])
  AS r(account_id, metric_id, credential_id, day, units, overage_units, operations, hour_units)
ORDER BY account_id, metric_id, credential_id, day
ON CONFLICT (account_id, metric_id, day, credential_id) DO UPDATE SET
  units = day.units + excluded.units, overage_units = day.overage_units + excluded.overage_units,
  operations = day.operations + excluded.operations,
  hour_units = quotas_add_hours(day.hour_units, excluded.hour_units), updated_at = excluded.updated_at
"""

WRITE_KEYS = """
INSERT INTO quotas_operationkey (account_id, key, fingerprint, decision, record_id, created_at)
SELECT account_id, key, fingerprint, decision, record_id, palier_transaction_now()
FROM unnest(%s::bigint[], %s::uuid[], %s::uuid[], %s::jsonb[], %s::bigint[])
  AS k(account_id, key, fingerprint, decision, record_id)
ORDER BY account_id, key
"""

WRITE_RESERVATIONS = """
INSERT INTO quotas_reservation (id, account_id, metric_id, credential_id, units, bucket_ids, status, subject,
  request_id, decided_at, expires_at, credit_units, overage_units, credits_per_unit)
SELECT id, account_id, metric_id, credential_id, units, bucket_ids::bigint[], 'open', subject, request_id,
  palier_transaction_now(), palier_transaction_now() + make_interval(secs => ttl_s), credit_units, overage_units,
  credits_per_unit
FROM unnest(%s::uuid[], %s::bigint[], %s::smallint[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
            %s::integer[], %s::bigint[], %s::bigint[], %s::integer[])
  AS r(id, account_id, metric_id, credential_id, units, bucket_ids, subject, request_id, ttl_s, credit_units,
       overage_units, credits_per_unit)
"""

CLOSE_RESERVATIONS = """
UPDATE quotas_reservation r SET status = n.status, settled_units = n.settled_units, record_id = n.record_id,
  settled_credit_units = n.credit_units, closed_at = palier_transaction_now()
FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[])
  AS n(id, status, settled_units, record_id, credit_units)
WHERE r.id = n.id AND r.status = 'open'
"""

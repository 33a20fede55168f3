"""The sample product's invariant, checked after every test and by `manage.py verify_books`."""

from collections.abc import Iterator

from django.db import connection

from common.books import check
from showcase.keeping import COUNTING_TASK, PERSONAS, SECOND_LOOK, SUBJECT_PREFIX

MISCOUNTED = """
SELECT coalesce(p.account_id, r.account_id), coalesce(p.subject, r.subject), coalesce(p.units, 0), coalesce(r.units, 0)
FROM (SELECT account_id, %(prefix)s || id AS subject, 1 AS units FROM showcase_persona WHERE archived_at IS NULL) AS p
FULL JOIN (
  SELECT account_id, subject, sum(u.units) AS units
  FROM quotas_usagerecord u JOIN quotas_metric m ON m.id = u.metric_id
  WHERE m.code = %(metric)s AND starts_with(subject, %(prefix)s) GROUP BY account_id, subject
) AS r USING (account_id, subject)
WHERE coalesce(p.units, 0) <> coalesce(r.units, 0)
"""


@check("showcase.personas_are_counted")
def personas_are_counted() -> Iterator[str]:
    """Each persona that exists takes exactly one unit, and each that is gone none."""
    with connection.cursor() as cursor:
        cursor.execute(MISCOUNTED, {"metric": PERSONAS, "prefix": SUBJECT_PREFIX})
        for account, subject, should_be, counted in cursor.fetchall():
            yield (
                f"account {account}: {subject} counts {counted} instead of {should_be} "
                f"(after a crash the promised task {COUNTING_TASK} mends this within {SECOND_LOOK})"
            )

"""The world of the proofs itself: what it takes for the catalogue."""

import pytest
from django.db import connection

from tests.billing.world import FORGET_CATALOGUE, KEEP_CATALOGUE, World, run_sql

LEFT_EMPTY = """
CREATE TABLE left_empty (id int);
INSERT INTO left_empty VALUES (1);
DELETE FROM left_empty;
"""


@pytest.mark.req("PC-6")
def test_a_table_that_others_filled_and_emptied_is_not_taken_for_the_catalogue(world: World) -> None:
    """Else proofs that run after it in the same database would neither put it back nor compare it."""
    run_sql(FORGET_CATALOGUE)
    run_sql(LEFT_EMPTY)
    try:
        run_sql(KEEP_CATALOGUE)
        with connection.cursor() as cursor:
            cursor.execute("SELECT name::text FROM palier_test.catalogue")
            kept = {name for (name,) in cursor.fetchall()}
    finally:
        run_sql("DROP TABLE left_empty")
    assert "left_empty" not in kept
    assert "billing_plan" in kept

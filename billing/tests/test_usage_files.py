"""A file of a million operations needs no more memory than one of a thousand."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection

from bench.usage_page import records_write, resident_bytes
from billing.tests.conftest import person
from billing.tests.test_pages import browser_of
from common.clock import database_now
from quotas.usage_files import CHUNK
from sandbox.stripe import StripeStandIn

MILLION = 1_000_000
MOST_GROWTH = 24 * 2**20
CURSORS = "SELECT name FROM pg_cursors WHERE name LIKE '\\_django\\_curs%'"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.req("AC-4", "QU-13")
@pytest.mark.django_db
def test_a_million_operations_stream_in_constant_memory(catalog: StripeStandIn):
    account = person()
    records_write(account_id=account.pk, count=MILLION, first_key=1, keys=5, days=60)
    client = browser_of(account)
    first = database_now().date() - timedelta(days=365)
    answer = client.get(f"/account/usage/operations.csv?from={first}")
    lines, settled, most = 0, 0, 0
    for number, chunk in enumerate(answer.streaming_content):
        assert chunk.count(b"\n") <= CHUNK, "sent piece by piece"
        lines += chunk.count(b"\n")
        if number == 20:  # what the first pieces need stays in use
            settled = resident_bytes()
            with connection.cursor() as cursor:
                cursor.execute(CURSORS)
                assert len(cursor.fetchall()) == 1, "the rows wait on the server"
        if number > 20 and number % 20 == 0:
            most = max(most, resident_bytes() - settled)
    assert lines == MILLION + 1
    assert most < MOST_GROWTH

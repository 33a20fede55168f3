"""The process's meter on its own connection: after a fork, and with texts of all kinds."""

import os

import pytest

from quotas.engine.connection import connect, texts
from quotas.engine.meter import meter
from quotas.models import Bucket, UsageRecord
from quotas.services import usage_consume

pytestmark = pytest.mark.req("QU-1")

AWKWARD = ["", "plain", "NULL", "null", 'a "quoted" one', "back\\slash", '\\"', "{braces}", "a,b", " spaced ", "line\nbreak", "é ’ 日本"]  # fmt: skip


def test_texts_reach_the_database_as_they_are():
    with connect() as connection:
        assert connection.execute("SELECT %s::text[]", (texts(AWKWARD),)).fetchone() == (AWKWARD,)
        assert connection.execute("SELECT %s::text[]", (texts([]),)).fetchone() == ([],)


@pytest.mark.parametrize("text", AWKWARD)
def test_a_record_keeps_its_subject_and_request_id(account_with, text):
    account = account_with(day=10)
    usage_consume(account_id=account.id, metric="messages")
    decision = usage_consume(account_id=account.id, metric="messages", subject=text, request_id=text)
    record = UsageRecord.objects.get(pk=decision.record_id)
    assert (record.subject, record.request_id) == (text, text)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_opens_a_connection_of_its_own(account_with):
    account = account_with(day=10)
    consume = lambda: usage_consume(account_id=account.id, metric="messages").allowed  # noqa: E731
    backend = lambda: meter._runner._connection.info.backend_pid  # noqa: E731
    assert consume()
    of_parent = backend()
    child = os.fork()
    if child == 0:
        failed = 1
        try:
            failed = 0 if consume() and backend() != of_parent else 2
        finally:
            os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert consume()
    assert backend() == of_parent
    assert Bucket.objects.get(account=account).used_units == 3

"""The process's meter on its own connection: after a fork, and with texts of all kinds."""

import os

import pytest

from common.errors import ValidationError
from quotas.engine.connection import connect, texts
from quotas.engine.meter import meter
from quotas.models import Bucket, UsageRecord
from quotas.services import usage_consume, usage_release, usage_reserve, usage_settle
from quotas.tests.test_engine import figures

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


@pytest.mark.parametrize("text", ["half \ud800", "\udfff", "nul \0"])
@pytest.mark.parametrize("field", ["subject", "request_id"])
def test_a_text_the_database_cannot_keep_is_refused_before_it_meets_others(account_with, field, text):
    account = account_with(day=10)
    for ask in (usage_consume, usage_reserve):
        with pytest.raises(ValidationError):
            ask(account_id=account.id, metric="messages", **{field: text})
    assert figures(account) == ([], 0, [], 0)


def test_a_closing_whose_request_id_cannot_be_kept_is_refused(account_with):
    account = account_with(day=10)
    held = usage_reserve(account_id=account.id, metric="messages")
    before = figures(account)
    for close in (usage_settle, usage_release):
        with pytest.raises(ValidationError):
            close(account_id=account.id, reservation_id=held.reservation_id, request_id="half \ud800")
    assert figures(account) == before

"""A jump in failed payments."""

from datetime import timedelta

import pytest

from accounts.tests.factories import account_of, make_person
from billing.anomalies import jump_of_failed_payments
from billing.models import PaymentAttempt
from billing.rules.failures import is_jump_of_failures
from common.anomalies import Unusual
from common.clock import database_now

pytestmark = pytest.mark.req("OP-3")


@pytest.mark.parametrize(
    ("failed", "tried", "usual_failed", "usual_tried", "jump"),
    [
        pytest.param(4, 4, 0, 100, False, id="a few are no jump"),
        pytest.param(5, 25, 0, 100, True, id="a fifth where none used to fail"),
        pytest.param(5, 26, 0, 100, False, id="less than a fifth"),
        pytest.param(20, 100, 10, 100, False, id="twice the usual share"),
        pytest.param(21, 100, 10, 100, True, id="more than twice"),
        pytest.param(5, 5, 0, 0, True, id="the first day, and all fail"),
    ],
)
def test_what_is_a_jump(failed, tried, usual_failed, usual_tried, jump):
    assert (
        is_jump_of_failures(failed=failed, tried=tried, usual_failed=usual_failed, usual_tried=usual_tried)
        is jump
    )


def test_it_is_told_by_currency(db):
    now = database_now()
    account = account_of(make_person(now=now))

    def attempts(count, outcome, *, currency, ago):
        PaymentAttempt.objects.bulk_create(
            PaymentAttempt(
                account=account,
                stripe_id=f"ch_{currency}_{outcome}_{ago.days}_{number}",
                amount_minor=100,
                currency=currency,
                outcome=outcome,
                reason_code="declined" if outcome == "failed" else "",
                attempted_at=now - ago,
            )
            for number in range(count)
        )

    hour, week = timedelta(hours=1), timedelta(days=7)
    attempts(6, "failed", currency="eur", ago=hour)
    attempts(6, "succeeded", currency="eur", ago=hour)
    attempts(10, "failed", currency="eur", ago=week)
    attempts(90, "succeeded", currency="eur", ago=week)
    attempts(6, "failed", currency="usd", ago=week)
    attempts(50, "succeeded", currency="usd", ago=hour)
    attempts(30, "failed", currency="chf", ago=timedelta(days=40))
    assert list(jump_of_failed_payments(now)) == [Unusual("payments in eur", 6, 1)]

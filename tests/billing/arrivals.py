"""The way to a case of the tables: somebody who has the source, at the case's moment, in the case's circumstances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from billing.models import Plan
from billing.tests.helpers import cancel
from tests.billing.cases import BEFORE, Case
from tests.billing.outcomes import CARDS
from tests.billing.reference import FREE, is_upgrade, months_after
from tests.billing.subscribers import Life
from tests.billing.trial_cases import DAYS, TrialCase
from tests.billing.world import World

BEGINNINGS = {
    "from leap day": datetime(2028, 2, 29, 12, tzinfo=UTC),
    "on leap day": datetime(2028, 2, 10, 8, tzinfo=UTC),
    "from the 31st": datetime(2027, 1, 31, 22, 30, 1, tzinfo=UTC),
}
BEGINNING = datetime(2027, 4, 15, 10, tzinfo=UTC)  # a period of 30 days
BALANCES = {"credit": -1_234, "debt": 37}
COUPON_PERCENT = 25


def arrived(world: World, case: Case) -> Life:
    """Somebody who has the source, at the case's moment, with the case's circumstances."""
    begin = BEGINNINGS.get(case.moment, BEGINNING)
    world.begin(begin)
    life = Life(world)
    _take_source(life, case)
    if case.extra == "coupon":
        life.has_coupon(COUPON_PERCENT)
        life.live_to(
            life.model.end or begin, told=True
        )  # so that what is credited was billed with the coupon
    life.live_to(max(_moment(life, case, begin), life.second))
    set_the_scene(life, case)
    return life


def set_the_scene(life: Life, case: Case) -> None:
    """What is so at the moment of the change: a balance, something pending, a card that has gone bad."""
    if case.extra in BALANCES:
        life.has_balance(BALANCES[case.extra])
    _set_pending(life, case)
    if case.payment in CARDS:
        life.card_becomes(CARDS[case.payment])


def _take_source(life: Life, case: Case) -> None:
    if case.moment == "after the switch":
        life.change(BEFORE[case.source])
        life.change(case.source) if case.source != FREE else life.cancel()
    elif case.moment == "second of the day":
        _take_in_two_steps(life, case.source)
    elif case.source != FREE:
        life.change(case.source)


def _take_in_two_steps(life: Life, source: str) -> None:
    """The source since this morning; before that, something else since ten days ago."""
    if source == FREE:
        life.change("basic/month")
        life.world.tick()
        cancel(life.account, "now")
        life.model.ended()
        return
    first = "basic/year" if source == "premium/year" else "basic/month"
    if is_upgrade(first, source):
        life.change(first)
        life.live_to(life.second + timedelta(days=10))
    life.change(source)


def _moment(life: Life, case: Case, begin: datetime) -> datetime:
    start, end = life.model.start or begin, life.model.end or months_after(begin, 1)
    if case.moment in ("first second", "middle") and case.source == FREE:
        return begin
    moments = {
        "first second": start,
        "middle": start + (end - start) / 2,
        "last second": end - timedelta(seconds=1),
        "from leap day": begin + timedelta(days=10, seconds=7),
        "on leap day": datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC),
        "from the 31st": datetime(2027, 3, 15, 6, tzinfo=UTC),
        "second of the day": life.second + timedelta(hours=6),
        "after the switch": end,
    }
    return moments[case.moment].replace(microsecond=0)


def _set_pending(life: Life, case: Case) -> None:
    if case.pending == "scheduled downgrade":
        life.change(_lower(case.source))
    elif case.pending == "cancel at end":
        life.cancel()
    elif case.pending == "end set at Stripe":
        life.ends_by_hand()


def _lower(source: str) -> str:
    return {"basic/year": "basic/month", "premium/month": "basic/month", "premium/year": "premium/month"}.get(
        source, FREE
    )


def arrived_in_trial(world: World, case: TrialCase) -> Life:
    """Somebody who tries the source, or whose trial of it is just over."""
    world.begin(BEGINNING)
    for plan in DAYS:
        Plan.objects.filter(code=plan).update(trial_days=case.trials.get(plan, 0), trial_needs_card=False)
    life = Life(world, card=case.has_card)
    life.model.trials = case.trials
    life.change(case.source)
    life.account.refresh_from_db()  # without a card there was no customer at Stripe before
    if case.extra == "coupon":
        life.has_coupon(COUPON_PERCENT)
    assert life.model.trial_end is not None
    begin, end = life.second, life.model.trial_end
    moments = {
        "middle": begin + (end - begin) / 2,
        "last second": end - timedelta(seconds=1),
        "trial over": end,
    }
    life.live_to(moments[case.moment])
    set_the_scene(life, case)
    return life

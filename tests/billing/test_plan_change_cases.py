"""Every plan change there is, at awkward moments, with cards that pay or do not, with things pending, with credit,
coupon and trial: what is previewed is what is invoiced, to the cent, and all who keep a record of it say the same.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.billing.arrivals import arrived, arrived_in_trial
from tests.billing.cases import Case, cases
from tests.billing.outcomes import and_the_period_after, comes_of, ends_at_once, uses_some
from tests.billing.trial_cases import AT_ONCE, TrialCase, trial_cases
from tests.billing.world import World

TABLE = cases()
TRIALS = trial_cases()
LEAST_CASES = 200
UNHEARD = (
    "from the 31st",
    "after the switch",
    "trial over",
)  # the request itself finds that a period has begun


def test_the_tables_are_as_large_as_they_say(record_property):
    counted = Counter((case.moment, case.payment, case.pending, case.extra) for case in TABLE)
    print(  # noqa: T201
        f"\n{len(TABLE)} plan-change cases, {len(counted)} combinations of circumstances; {len(TRIALS)} in a trial"
    )
    record_property("cases", len(TABLE) + len(TRIALS))
    assert len(TABLE) >= LEAST_CASES
    for table in (TABLE, TRIALS):
        assert len({str(case) for case in table}) == len(table)


@pytest.mark.req("PC-1", "PC-2", "PC-4", "PC-5", "PC-8", "PC-13")
@pytest.mark.parametrize("case", TABLE, ids=str)
def test_a_change_of_plan(world: World, case: Case):
    life = arrived(world, case)
    uses_some(life)
    if case.moment not in UNHEARD:
        life.agree()
    comes_of(life, case)
    and_the_period_after(life)


@pytest.mark.req("PC-13", "PC-1", "PC-2", "PC-8")
@pytest.mark.parametrize("case", TRIALS, ids=str)
def test_a_change_in_a_trial(world: World, case: TrialCase):
    """And the invoice that the trial ends with, if any."""
    life = arrived_in_trial(world, case)
    uses_some(life)
    if case.moment not in UNHEARD:
        life.agree()
    if case.target == AT_ONCE:
        ends_at_once(life)
    else:
        comes_of(life, case)
    and_the_period_after(life)

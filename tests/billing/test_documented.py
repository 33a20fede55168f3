"""What docs/money.md says that these proofs go through, counted."""

from pathlib import Path

from sandbox.stripe.faults import EFFECTS
from tests.billing.business_sequences import BUSINESS_HAPPENINGS
from tests.billing.cases import ASKED, cases
from tests.billing.flows import FLOWS
from tests.billing.money_flows import MONEY_FLOWS
from tests.billing.overage_flows import OVERAGE_FLOWS
from tests.billing.payer_sequences import PAYER_HAPPENINGS
from tests.billing.sequences import HAPPENINGS
from tests.billing.table_sequences import SEQUENCES
from tests.billing.test_promotion_codes import coded_cases
from tests.billing.test_taxed_changes import taxed_cases
from tests.billing.trial_cases import trial_cases

PAGE = Path(__file__).parents[2] / "docs" / "money.md"


def test_the_documentation_counts_right():
    table, flows = cases(), len(FLOWS) + len(MONEY_FLOWS) + len(OVERAGE_FLOWS)
    sequences = [len(one) for one in (HAPPENINGS, SEQUENCES, PAYER_HAPPENINGS, BUSINESS_HAPPENINGS)]
    said = (
        f"{len(table)} changes of plan",
        f"({sum(case.payment in ASKED for case in table)} in which the bank asks)",
        f"and {len(trial_cases())} in a trial",
        f"{len(taxed_cases())} changes with tax",
        f"{len(coded_cases())} ways with promotion codes",
        f"{sum(sequences)} sequences of events",
        f"{sequences[1]} are the sequences of the cases above, {sequences[2]} those of payers",
        f"{sequences[3]} of organisations",
        f"{len(EFFECTS)} faults on each call of {flows} flows",
    )
    page = PAGE.read_text()
    assert [one for one in said if one not in page] == []

"""What a stack's database says was used, for the tests that compare it with what callers heard."""

from __future__ import annotations

from dataclasses import dataclass

from tests.stack import Stack

# So many that no test meets them: these tests are about limits that count, not about the pace of calls.
NO_RATE_LIMITS = dict.fromkeys(
    ("RATE_LIMIT_GLOBAL", "RATE_LIMIT_USER", "RATE_LIMIT_PLAN_CHANGE"), "1000000/1"
)


@dataclass(frozen=True)
class Use:
    """One metric of one account: its counters summed over windows of one kind, its records, what it made."""

    used: int
    reserved: int
    records: int
    recorded_units: int
    messages: int


def account_id(stack: Stack, name: str) -> int:
    """The account of a demo person."""
    query = "SELECT a.id FROM accounts_account a JOIN accounts_user u ON u.id = a.personal_owner_id WHERE u.email = %s"
    return int(stack.sql(query, f"{name}@palier.test")[0][0])


def use_of_messages(stack: Stack, name: str) -> Use:
    """Messages per day of a demo person."""
    account = account_id(stack, name)
    buckets = (
        'SELECT coalesce(sum(used_units), 0), coalesce(sum(reserved_units), 0) FROM quotas_bucket WHERE "window" = '
        "'day' AND account_id = %s AND metric_id = (SELECT id FROM quotas_metric WHERE code = 'messages')"
    )
    records = (
        "SELECT count(*), coalesce(sum(units), 0) FROM quotas_usagerecord WHERE account_id = %s"
        " AND metric_id = (SELECT id FROM quotas_metric WHERE code = 'messages')"
        # Some demo people have a past, which their counters of today know nothing of.
        " AND occurred_at >= (SELECT max(starts_at) FROM quotas_bucket WHERE account_id = %s AND \"window\" = 'day')"
    )
    kept = "SELECT count(*) FROM showcase_chatmessage WHERE account_id = %s"
    figures = (
        *stack.sql(buckets, account)[0],
        *stack.sql(records, account, account)[0],
        *stack.sql(kept, account)[0],
    )
    return Use(*(int(figure) for figure in figures))

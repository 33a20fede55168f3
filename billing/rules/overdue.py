"""What an unpaid invoice means, and when: declared rules, evaluated as arithmetic on frozen values.

The same function serves webhooks, beat and the writing of limits ahead of their moment.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from billing.enums import Access, ChangeKind, SubscriptionStatus
from billing.errors import OverdueRulesInvalid
from billing.rules.changes import access_for

OWING = (SubscriptionStatus.PAST_DUE.value, SubscriptionStatus.UNPAID.value)
"""The statuses that overdue rules are about; any other one speaks for itself."""

STATES = ("grace", "degraded", "ended")
ACCESS = {"grace": Access.GRACE, "degraded": Access.DEGRADED, "ended": Access.ENDED}
REMINDERS = ("payment_failed", "payment_reminder")
AFTER_LAST = ("canceled", "unpaid", "past_due")
PLAN_CHANGES = (ChangeKind.UPGRADE.value, ChangeKind.DOWNGRADE.value)
MAX_DAYS = 365
RULE_FIELDS = frozenset(
    {"state", "statuses", "after_days", "after_attempts", "access", "reminder", "end", "plan_changes"}
)


@dataclass(frozen=True, slots=True)
class OverdueRule:
    """Holds for a status in `statuses`, `after_days` days after payment was due and `after_attempts` attempts.

    `reminder`: the kind of notification sent when the rule begins to hold; empty for none. `ends`: the subscription
    is ended at Stripe. `plan_changes`: the kinds of change that are possible meanwhile.
    """

    state: str
    statuses: tuple[str, ...]
    after_days: int
    after_attempts: int
    access: Access
    reminder: str
    ends: bool
    plan_changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverduePolicy:
    """`retry_days`: days after each failed attempt until the next; `after_last`: the status after the last one."""

    retry_days: tuple[int, ...]
    after_last: str
    rules: tuple[OverdueRule, ...]


@dataclass(frozen=True, slots=True)
class Debt:
    """What is owed on one subscription: since when, and how often payment was tried."""

    since: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Step:
    """From `at` on the rule holds."""

    at: datetime
    rule: OverdueRule


def debt_of(dues: Sequence[tuple[datetime, int]]) -> Debt | None:
    """The oldest moment and the most attempts of several unpaid invoices; None without any."""
    if not dues:
        return None
    return Debt(min(since for since, _ in dues), max(attempts for _, attempts in dues))


def rule_at(policy: OverduePolicy, *, status: str, debt: Debt | None, now: datetime) -> OverdueRule | None:
    """The rule that counts at `now`; None when nothing is owed.

    A status that says so without an invoice that is (it is being paid at this moment) meets the rules of day 0.
    """
    found = None
    for rule in policy.rules:
        if status in rule.statuses and _holds(rule, debt, now):
            found = rule
    return found


def _holds(rule: OverdueRule, debt: Debt | None, now: datetime) -> bool:
    if debt is None:
        return rule.after_days == 0 and rule.after_attempts == 0
    return now >= debt.since + timedelta(days=rule.after_days) and debt.attempts >= rule.after_attempts


def access_by(policy: OverduePolicy, *, status: str, debt: Debt | None, now: datetime) -> Access:
    """What may be used at `now`: by the rules where something is overdue, else by the status itself."""
    rule = rule_at(policy, status=status, debt=debt, now=now)
    return rule.access if rule else access_for(status)


def steps_from(policy: OverduePolicy, *, status: str, debt: Debt | None, now: datetime) -> list[Step]:
    """What holds from `now` on if nothing is paid and no further attempt is made: first what holds now."""
    moments = {now}
    if debt is not None:
        moments |= {debt.since + timedelta(days=rule.after_days) for rule in policy.rules}
    steps: list[Step] = []
    for moment in sorted(one for one in moments if one >= now):
        rule = rule_at(policy, status=status, debt=debt, now=moment)
        if rule is not None and (not steps or steps[-1].rule is not rule):
            steps.append(Step(moment, rule))
    return steps


# Reading the file ---------------------------------------------------------------------------------------------------


def read_policy(data: Mapping[str, Any]) -> OverduePolicy:
    """The declared rules, checked as a whole. Raises OverdueRulesInvalid with every problem."""
    problems = [f"unknown table {name!r}" for name in sorted(data.keys() - {"retries", "rules"})]
    retries, rows = data.get("retries"), data.get("rules")
    if not isinstance(retries, dict):
        problems.append("[retries] is missing")
    else:
        problems += _retry_problems(retries)
    if not isinstance(rows, list) or not rows:
        problems.append("[[rules]] is missing: at least one rule is needed")
        rows = []
    for number, row in enumerate(rows, 1):
        problems += [f"rule {number}: {text}" for text in _row_problems(row)]
    if problems or not isinstance(retries, dict):
        raise OverdueRulesInvalid(problems)
    policy = OverduePolicy(
        tuple(retries["days"]), retries["after_last"], tuple(_rule_of(row) for row in rows)
    )
    if found := list(_order_problems(policy)):
        raise OverdueRulesInvalid(found)
    return policy


def _retry_problems(retries: Mapping[str, Any]) -> Iterator[str]:
    days = retries.get("days")
    if not isinstance(days, list) or not all(_is_count(one, 1) for one in days):
        yield "retries.days: a list of whole days from 1 is needed"
    if retries.get("after_last") not in AFTER_LAST:
        yield f"retries.after_last: one of {', '.join(AFTER_LAST)} is needed"
    for name in sorted(retries.keys() - {"days", "after_last"}):
        yield f"retries.{name}: not known"


def _row_problems(row: Any) -> Iterator[str]:
    if not isinstance(row, dict):
        yield "a table is needed"
        return
    for name in sorted(row.keys() - RULE_FIELDS):
        yield f"{name}: not known"
    if row.get("state") not in STATES:
        yield f"state: one of {', '.join(STATES)} is needed"
    elif row.get("access") != row["state"]:
        yield f"access: {row['state']} gives access {row['state']!r}, not {row.get('access')!r}"
    yield from _list_problems(row, "statuses", OWING, needed=True)
    yield from _list_problems(row, "plan_changes", PLAN_CHANGES, needed=False)
    if not _is_count(row.get("after_days"), 0):
        yield f"after_days: a whole number from 0 to {MAX_DAYS} is needed"
    if not _is_count(row.get("after_attempts", 0), 0):
        yield f"after_attempts: a whole number from 0 to {MAX_DAYS} is needed"
    if row.get("reminder", "") not in ("", *REMINDERS):
        yield f"reminder: one of {', '.join(REMINDERS)} is needed"
    if not isinstance(row.get("end", False), bool):
        yield "end: true or false is needed"
    elif row.get("end", False) != (row.get("state") == "ended"):
        yield "end: true for the state ended, and for no other"


def _list_problems(row: Mapping[str, Any], name: str, known: Sequence[str], *, needed: bool) -> Iterator[str]:
    given = row.get(name)
    if not isinstance(given, list) or (needed and not given) or not all(one in known for one in given):
        yield f"{name}: a list of {', '.join(known)} is needed"


def _is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_DAYS


def _rule_of(row: Mapping[str, Any]) -> OverdueRule:
    return OverdueRule(
        state=row["state"],
        statuses=tuple(row["statuses"]),
        after_days=row["after_days"],
        after_attempts=row.get("after_attempts", 0),
        access=ACCESS[row["state"]],
        reminder=row.get("reminder", ""),
        ends=row.get("end", False),
        plan_changes=tuple(row["plan_changes"]),
    )


def _order_problems(policy: OverduePolicy) -> Iterator[str]:
    """For each status something holds from the first day on, and nothing gets milder as days pass."""
    for status in OWING:
        rules = [rule for rule in policy.rules if status in rule.statuses]
        if not any(rule.after_days == 0 and rule.after_attempts == 0 for rule in rules):
            yield f"{status}: a rule with after_days = 0 and without after_attempts is needed"
        for earlier, later in pairwise(rules):
            if later.after_days < earlier.after_days:
                yield f"{status}: rules stand in the order of their days"
            if STATES.index(later.state) < STATES.index(earlier.state):
                yield f"{status}: {later.state} does not come after {earlier.state}"

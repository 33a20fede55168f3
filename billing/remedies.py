"""What somebody who was refused can pay or buy; registered with the meter."""

from collections.abc import Callable

from accounts.models import Account
from billing.enums import Access, ChangeKind
from billing.errors import RESUME, UNDO, pay_remedy
from billing.models import Subscription
from billing.rules.changes import PlanTerms
from billing.selectors import has_scheduled_change, live_subscription, terms_of, upgrades_open_to
from billing.selectors.overdue import access_at, held_up_by_debts, unpaid_invoices
from common import clock
from quotas import remedies
from quotas.enums import Source
from quotas.remedies import PLANS_URL, Remedy
from quotas.values import Decision


def for_limit(account_id: int, decision: Decision) -> list[Remedy]:
    """The ways to more of the metric than the bound that refused allows."""
    bound = decision.deciding
    if bound is not None and bound.source in (Source.CONTRACT, Source.OVERRIDE):
        return []  # such a limit stands above any plan's
    subscription = live_subscription(account_id)
    credits_now = terms_of(subscription.plan_version).credits_per_period if subscription else 0

    def suits(terms: PlanTerms) -> bool:
        if dict(terms.credit_metrics).get(decision.metric) and terms.credits_per_period > credits_now:
            return True
        window, limit = (bound.window, bound.limit) if bound else (None, 0)
        return _allows_more(terms, decision.metric, window, limit)

    return _ways(account_id, subscription, suits)


def for_feature(account_id: int, wanted: str) -> list[Remedy]:
    """The ways to a feature, or to a metric, that the account does not have."""
    return _ways(account_id, live_subscription(account_id), lambda terms: terms.includes(wanted))


def _ways(
    account_id: int, subscription: Subscription | None, suits: Callable[[PlanTerms], bool]
) -> list[Remedy]:
    """Paying what is owed, where that gives the own plan back or lets the account go up; then the plans to go up to, or
    what has to be taken back first.
    """
    account, now = Account.objects.get(pk=account_id), clock.now()
    larger = [
        one for one in upgrades_open_to(account, subscription.plan if subscription else None) if suits(one)
    ]
    offered = [_upgrade(terms.code) for terms in larger]
    if subscription is None:
        return offered
    if larger and (first := _to_take_back(subscription)):
        offered = [first | {"plan": larger[0].code}]
    held_up = held_up_by_debts(subscription, ChangeKind.UPGRADE, now=now)
    has_lost = access_at(subscription, now=now) == Access.DEGRADED and suits(
        terms_of(subscription.plan_version)
    )
    if not has_lost and not (held_up and larger):
        return offered
    pay = pay_remedy(unpaid_invoices(subscription))
    return [pay | ({"plan": subscription.plan.code} if has_lost else {}), *([] if held_up else offered)]


def _to_take_back(subscription: Subscription) -> Remedy | None:
    """What is planned and stands in the way of going up; by the same rules as the refusal of the change."""
    if has_scheduled_change(subscription.account_id):
        return dict(UNDO)
    return dict(RESUME) if subscription.cancel_at is not None else None


def _upgrade(code: str) -> Remedy:
    return {"action": "upgrade", "url": f"{PLANS_URL}?plan={code}#plan-{code}", "plan": code}


def _allows_more(terms: PlanTerms, metric: str, window: str | None, limit: int | None) -> bool:
    """Without a window: whether the plan names the metric at all."""
    for one in terms.limits:
        if one.metric == metric and (window is None or one.window == window):
            return one.limit_units is None or (limit is not None and one.limit_units > limit)
    return False


def register() -> None:
    remedies.register(for_limit)
    remedies.register_features(for_feature)

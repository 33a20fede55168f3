"""Reading the catalogue."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet

from accounts.models import Account, AccountKind
from billing.enums import Audience, Interval, TransitionKind
from billing.models import Feature, Plan, PlanLimit, PlanTransition, PlanVersion, Price
from billing.rules.changes import LimitTerms, PlanTerms

_terms: dict[int, PlanTerms] = {}


def plans_on_offer() -> QuerySet[Plan]:
    """Plans that can be chosen, cheapest audience first, by rank."""
    return Plan.objects.filter(retired_at__isnull=True).order_by("-audience", "rank")


AUDIENCES = {
    AccountKind.PERSONAL.value: Audience.CONSUMER.value,
    AccountKind.ORGANISATION.value: Audience.BUSINESS.value,
}


def audience_of(account: Account) -> str:
    """Whose plans the account may take."""
    return AUDIENCES[account.kind]


def plans_open_to(account: Account, current: Price | None) -> list[str]:
    """Codes of the plans that the account could take from its present price, by rank.

    The present plan is one of them when it is on offer with another interval.
    """
    plans = plans_on_offer().filter(audience=audience_of(account))
    if current is None:
        return [plan.code for plan in plans]
    present = current.version.plan
    declared = PlanTransition.objects.filter(from_plan=present).exclude(kind=TransitionKind.FORBIDDEN)
    reachable = set(declared.values_list("to_plan_id", flat=True))
    if set(intervals_on_offer(present.code)) - {current.interval}:
        reachable.add(present.pk)
    return [plan.code for plan in plans if plan.pk in reachable]


def upgrades_open_to(account: Account, current: Plan | None) -> list[PlanTerms]:
    """What the account could go up to at once from its present plan, by rank; without one, every plan that costs."""
    versions = PlanVersion.objects.filter(
        superseded_at__isnull=True, plan__retired_at__isnull=True, plan__audience=audience_of(account)
    )
    if current is None:
        versions = versions.filter(plan__is_free=False)
    else:
        versions = versions.filter(
            plan__transitions_to__from_plan=current, plan__transitions_to__kind=TransitionKind.UPGRADE
        )
    return [terms_by_id(one) for one in versions.order_by("plan__rank").values_list("pk", flat=True)]


def intervals_on_offer(plan_code: str) -> list[str]:
    """The intervals that a new subscriber of the plan can choose from; none for a plan that is not on offer."""
    return [one for one in Interval.values if price_on_offer(plan_code, one)]


def current_versions() -> QuerySet[PlanVersion]:
    """The versions sold now, with their plans, limits and prices."""
    return (
        PlanVersion.objects.filter(superseded_at__isnull=True, plan__retired_at__isnull=True)
        .select_related("plan")
        .prefetch_related(
            Prefetch("limits", PlanLimit.objects.order_by("position")),
            Prefetch("prices", Price.objects.order_by("amount_minor")),
        )
        .order_by("-plan__audience", "plan__rank")
    )


def plan_json(version: PlanVersion) -> dict[str, Any]:
    """A plan in the API's form."""
    return {
        "code": version.plan.code,
        "name": version.plan.name,
        "description": version.plan.description,
        "rank": version.plan.rank,
        "audience": version.plan.audience,
        "version": version.number,
        "prices": [
            {"interval": price.interval, "amount_minor": price.amount_minor, "currency": price.currency}
            for price in version.prices.all()
        ],
        "limits": [
            {"metric": one.metric, "window": one.window, "limit": one.limit_units, "mode": one.mode}
            for one in version.limits.all()
        ],
        "features": list(version.features),
        "credits_per_period": version.credits_per_period,
        "overage_minor_per_credit": version.overage_minor_per_credit,
    }


def plans_public(audience: str | None = None) -> list[dict[str, Any]]:
    """What is on offer, in the API's form."""
    versions = current_versions()
    if audience:
        versions = versions.filter(plan__audience=audience)
    return [plan_json(version) for version in versions]


def price_on_offer(plan_code: str, interval: str) -> Price | None:
    """The price a new subscriber of the plan pays; None when plan or interval is not on offer."""
    return (
        Price.objects.select_related("version__plan")
        .filter(
            interval=interval,
            version__superseded_at__isnull=True,
            version__plan__code=plan_code,
            version__plan__retired_at__isnull=True,
        )
        .first()
    )


def price_by_stripe_id(stripe_price_id: str) -> Price | None:
    return Price.objects.select_related("version__plan").filter(stripe_price_id=stripe_price_id).first()


def free_price(audience: str) -> Price | None:
    """The price of the audience's free plan; None when there is none."""
    return (
        Price.objects.select_related("version__plan")
        .filter(
            version__superseded_at__isnull=True,
            version__plan__audience=audience,
            version__plan__is_free=True,
            version__plan__retired_at__isnull=True,
        )
        .order_by("pk")
        .first()
    )


def transition_kind(from_plan: Plan, to_plan: Plan) -> str | None:
    """As the catalogue declares it; None when it says nothing of the pair."""
    return (
        PlanTransition.objects.filter(from_plan=from_plan, to_plan=to_plan)
        .values_list("kind", flat=True)
        .first()
    )


def terms_of(version: PlanVersion) -> PlanTerms:
    """The version's terms as a value."""
    return terms_by_id(version.pk)


def terms_by_id(version_id: int) -> PlanTerms:
    """A version's terms. What was sold is never rewritten (a trigger sees to it), so each is read once a process."""
    if version_id not in _terms:
        _terms[version_id] = _read_terms(version_id)
    return _terms[version_id]


def forget_terms() -> None:
    """Read again at the next use (tests, whose rows come back with other terms)."""
    _terms.clear()


def _read_terms(version_id: int) -> PlanTerms:
    version = PlanVersion.objects.select_related("plan").get(pk=version_id)
    return PlanTerms(
        code=version.plan.code,
        limits=tuple(
            LimitTerms(one.metric, one.window, one.limit_units, one.mode)
            for one in version.limits.order_by("position")
        ),
        features=tuple(version.features),
        credits_per_period=version.credits_per_period,
        credit_metrics=tuple(sorted(version.credit_metrics.items())),
    )


class FreeTerms:
    """Terms of the free plans, each looked up once: for what looks at many subscriptions at one moment."""

    def __init__(self) -> None:
        self._of: dict[str, PlanTerms | None] = {}

    def of(self, audience: str) -> PlanTerms | None:
        """The terms of the audience's free plan; None when there is none."""
        if audience not in self._of:
            price = free_price(audience)
            self._of[audience] = terms_of(price.version) if price else None
        return self._of[audience]


def feature_names(codes: Iterable[str]) -> dict[str, str]:
    """The words for features, by code, in the active language."""
    return {one.code: one.name for one in Feature.objects.filter(code__in=list(codes))}


def version_at(plan_code: str, at: datetime) -> PlanVersion | None:
    """The version that was sold at an instant."""
    return (
        PlanVersion.objects.filter(plan__code=plan_code, created_at__lte=at)
        .select_related("plan")
        .order_by("-created_at")
        .first()
    )

"""What the meter holds from an account's plan, in a form that can be compared."""

from datetime import datetime

from django.db.models import Q

from billing.rules.changes import PlanTerms
from quotas.enums import Source
from quotas.models import Entitlement, FeatureGrant


def entitled_as(account_id: int, terms: PlanTerms | None, now: datetime) -> tuple[str, str]:
    """What the meter has from the plan at `now`, and what `terms` give; equal texts for equal rights."""
    in_force = Q(valid_until__isnull=True) | Q(valid_until__gt=now)
    own = {"account_id": account_id, "source": Source.PLAN, "valid_from__lte": now}
    limits = Entitlement.objects.filter(in_force, **own).values_list(
        "metric__code", "window", "limit_units", "mode", "credits_per_unit"
    )
    features = FeatureGrant.objects.filter(in_force, **own).values_list("feature", flat=True)
    promised = terms.all_limits if terms else ()
    given = [(one.metric, one.window, one.limit_units, one.mode, one.credits_per_unit) for one in promised]
    return _text(limits, features), _text(given, terms.features if terms else ())


def _text(limits: object, features: object) -> str:
    rows = [
        f"{metric}/{window}={limit} {mode}{f' {price} each' if price else ''}"
        for metric, window, limit, mode, price in limits  # type: ignore[attr-defined]
    ]
    return ", ".join([*sorted(rows), *sorted(features)])  # type: ignore[call-overload]

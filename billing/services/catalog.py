"""The catalogue: file → database → Stripe. Run again it changes nothing; stopped halfway it goes on where it was."""

import tomllib
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.db import transaction

from billing.errors import CatalogInvalid
from billing.gateways.stripe import gateway, product_id
from billing.gateways.values import PriceSpec, PriceState
from billing.models import Feature, Plan, PlanLimit, PlanTransition, PlanVersion, Price
from billing.rules.catalog import Catalog, PlanDef, read_catalog
from quotas.services import MetricSpec, metrics_sync


@dataclass
class SyncReport:
    """What was done, or would be done (`dry_run`), one line each."""

    dry_run: bool
    database: list[str] = field(default_factory=list)
    provider: list[str] = field(default_factory=list)


def catalog_load(path: Path) -> Catalog:
    """The file, checked. Raises CatalogInvalid with every problem."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CatalogInvalid([f"{path.name}: cannot be read ({error.strerror})"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CatalogInvalid([f"{path.name}: {error}"]) from error
    return read_catalog(data)


def catalog_sync(*, catalog: Catalog, now: datetime, dry_run: bool = False) -> SyncReport:
    """Makes the database say what the catalogue says, then Stripe."""
    report = SyncReport(dry_run=dry_run)
    with transaction.atomic():
        _to_database(catalog, report, now)
        if dry_run:
            _plan_provider_work(report)
            transaction.set_rollback(True)
            return report
    products_publish(report=report)
    return report


def _to_database(catalog: Catalog, report: SyncReport, now: datetime) -> None:
    specs = [MetricSpec(one.code, one.name.en, one.name.fr, one.kind) for one in catalog.metrics]
    if changed := metrics_sync(specs):
        report.database.append(f"metrics: {changed} written")
    for feature in catalog.features:
        _, made = Feature.objects.update_or_create(
            code=feature.code, defaults={"name_en": feature.name.en, "name_fr": feature.name.fr}
        )
        if made:
            report.database.append(f"feature {feature.code}: new")
    _retire(catalog, report, now)
    for definition in catalog.plans:
        _write_plan(definition, report, now)
    _write_transitions(catalog, report)


def _retire(catalog: Catalog, report: SyncReport, now: datetime) -> None:
    """First, so that a free plan can take the place of the one that goes."""
    gone = Plan.objects.filter(retired_at__isnull=True).exclude(code__in=[p.code for p in catalog.plans])
    for plan in gone:
        report.database.append(f"plan {plan.code}: no longer on offer")
    gone.update(retired_at=now)


def _write_plan(definition: PlanDef, report: SyncReport, now: datetime) -> None:
    plan = Plan.objects.select_for_update(no_key=True).filter(code=definition.code).first()
    values = {
        "rank": definition.rank,
        "audience": definition.audience,
        "is_free": definition.is_free,
        "name_en": definition.name.en,
        "name_fr": definition.name.fr,
        "description_en": definition.description.en,
        "description_fr": definition.description.fr,
        "retired_at": None,
        "trial_days": definition.trial_days,
        "trial_needs_card": definition.trial_needs_card,
    }
    if plan is None:
        plan = Plan.objects.create(code=definition.code, **values)
        report.database.append(f"plan {definition.code}: new")
    elif changed := [name for name, value in values.items() if getattr(plan, name) != value]:
        Plan.objects.filter(pk=plan.pk).update(**values)
        report.database.append(f"plan {definition.code}: {', '.join(changed)} changed")
    _write_version(plan, definition, report, now)


def _write_version(plan: Plan, definition: PlanDef, report: SyncReport, now: datetime) -> None:
    current = plan.versions.filter(superseded_at__isnull=True).first()
    if current is not None and current.fingerprint == definition.fingerprint:
        return
    last = plan.versions.order_by("-number").first()
    plan.versions.filter(superseded_at__isnull=True).update(superseded_at=now)
    version = PlanVersion.objects.create(
        plan=plan,
        number=last.number + 1 if last else 1,
        currency=definition.currency,
        features=list(definition.features),
        credits_per_period=definition.credits_per_period,
        overage_minor_per_credit=definition.overage_minor_per_credit,
        credit_metrics=dict(definition.credit_metrics),
        fingerprint=definition.fingerprint,
        created_at=now,
    )
    PlanLimit.objects.bulk_create(
        PlanLimit(
            version=version,
            metric=one.metric,
            window=one.window,
            limit_units=one.limit_units,
            mode=one.mode,
            position=position,
        )
        for position, one in enumerate(definition.limits)
    )
    Price.objects.bulk_create(
        Price(
            version=version,
            interval=one.interval,
            amount_minor=one.amount_minor,
            currency=definition.currency,
            lookup_key=f"palier_{plan.code}_v{version.number}_{one.interval}",
        )
        for one in definition.prices
    )
    report.database.append(f"plan {plan.code}: version {version.number}")


def _write_transitions(catalog: Catalog, report: SyncReport) -> None:
    ids = dict(Plan.objects.values_list("code", "pk"))
    known = {(one.from_plan_id, one.to_plan_id): one.kind for one in PlanTransition.objects.all()}
    for one in catalog.all_transitions():
        pair = (ids[one.from_plan], ids[one.to_plan])
        if known.get(pair) == one.kind:
            continue
        PlanTransition.objects.update_or_create(
            from_plan_id=pair[0], to_plan_id=pair[1], defaults={"kind": one.kind}
        )
        if pair in known:
            report.database.append(f"transition {one.from_plan} → {one.to_plan}: now {one.kind}")


def _unpublished() -> list[Price]:
    """Paid prices on offer that Stripe does not know, as far as we know."""
    return list(
        Price.objects.filter(
            stripe_price_id__isnull=True,
            amount_minor__gt=0,
            version__superseded_at__isnull=True,
            version__plan__retired_at__isnull=True,
        )
        .select_related("version__plan")
        .order_by("version__plan__rank", "amount_minor")
    )


def _plan_provider_work(report: SyncReport) -> None:
    report.provider += [f"price {price.lookup_key}: to be created" for price in _unpublished()]


def products_publish(*, report: SyncReport) -> None:
    """Products and prices at Stripe for what is on offer. Looks for each there before it makes one.

    A product's id is made from the plan's code and a price's lookup key from its version, so that a run that died
    after Stripe had done its part finds what it made. Raises ProviderRefused when a price found is another price.
    """
    prices = _unpublished()
    if not prices:
        return
    for plan in {price.version.plan.pk: price.version.plan for price in prices}.values():
        _publish_product(plan, report)
    found = gateway.prices_find([price.lookup_key for price in prices])
    for price in prices:
        state = found.get(price.lookup_key)
        if state is None:
            state = gateway.price_create(_spec(price))
            report.provider.append(f"price {price.lookup_key}: created")
        _check_same(price, state)
        Price.objects.filter(pk=price.pk).update(stripe_price_id=state.id)


def _publish_product(plan: Plan, report: SyncReport) -> None:
    known = gateway.product_find(plan.code)
    if known is None:
        known = gateway.product_create(plan_code=plan.code, name=plan.name_en)
        report.provider.append(f"product {known}: created")
    if plan.stripe_product_id != known:
        Plan.objects.filter(pk=plan.pk).update(stripe_product_id=known)


def _spec(price: Price) -> PriceSpec:
    plan = price.version.plan
    return PriceSpec(
        lookup_key=price.lookup_key,
        product_id=product_id(plan.code),
        interval=price.interval,
        amount_minor=price.amount_minor,
        currency=price.currency,
        plan=plan.code,
        version=price.version.number,
    )


def _check_same(price: Price, state: PriceState) -> None:
    ours = (price.interval, price.amount_minor, price.currency)
    theirs = (state.interval, state.amount_minor, state.currency)
    if ours != theirs:
        raise CatalogInvalid(
            [f"{price.lookup_key} exists at Stripe with other terms: {theirs} there, {ours} here"]
        )

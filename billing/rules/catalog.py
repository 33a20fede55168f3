"""The catalogue as values: read from the file's tables, checked as a whole, compared by fingerprint."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from billing.enums import Audience, Interval, TransitionKind
from billing.errors import CatalogInvalid

CODE = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
CURRENCY = re.compile(r"^[a-z]{3}$")
LANGUAGES = ("en", "fr")
METRIC_KINDS = ("counter", "capacity")
WINDOWS = ("hour", "day", "month", "period", "capacity")
MODES = ("block", "overage")
TRIAL_CARD = ("required", "none")
UNLIMITED = "unlimited"
MAX_TRIAL_DAYS = 730  # what Stripe takes
MAX_AMOUNT = 99_999_999  # what Stripe takes for one charge


@dataclass(frozen=True, slots=True)
class Words:
    """One text in every language of the product."""

    en: str
    fr: str


@dataclass(frozen=True, slots=True)
class MetricDef:
    code: str
    kind: str
    name: Words


@dataclass(frozen=True, slots=True)
class FeatureDef:
    code: str
    name: Words


@dataclass(frozen=True, slots=True)
class LimitDef:
    """`limit_units` None: unlimited."""

    metric: str
    window: str
    limit_units: int | None
    mode: str


@dataclass(frozen=True, slots=True)
class PriceDef:
    interval: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class PlanDef:
    """`overage_minor_per_credit` None: no overage is sold. `credit_metrics`: what a unit costs in credits."""

    code: str
    rank: int
    audience: str
    currency: str
    name: Words
    description: Words
    prices: tuple[PriceDef, ...]
    limits: tuple[LimitDef, ...]
    features: tuple[str, ...]
    credits_per_period: int
    overage_minor_per_credit: int | None
    credit_metrics: tuple[tuple[str, int], ...] = ()
    trial_days: int = 0
    trial_needs_card: bool = True

    @property
    def is_free(self) -> bool:
        return all(price.amount_minor == 0 for price in self.prices)

    @property
    def fingerprint(self) -> str:
        """Equal for equal terms; names, descriptions, rank, audience and trial are no terms."""
        terms = {
            "currency": self.currency,
            "prices": sorted((price.interval, price.amount_minor) for price in self.prices),
            "limits": sorted(
                (limit.metric, limit.window, limit.limit_units is None, limit.limit_units or 0, limit.mode)
                for limit in self.limits
            ),
            "features": sorted(self.features),
            "credits": self.credits_per_period,
            "overage": self.overage_minor_per_credit,
        }
        if self.credit_metrics:
            terms["credit_metrics"] = sorted(self.credit_metrics)
        return hashlib.sha256(json.dumps(terms, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class TransitionDef:
    from_plan: str
    to_plan: str
    kind: str


@dataclass(frozen=True, slots=True)
class Catalog:
    metrics: tuple[MetricDef, ...]
    features: tuple[FeatureDef, ...]
    plans: tuple[PlanDef, ...]
    transitions: tuple[TransitionDef, ...]

    def all_transitions(self) -> Iterator[TransitionDef]:
        """Every ordered pair of different plans, declared or by default."""
        declared = {(one.from_plan, one.to_plan): one.kind for one in self.transitions}
        for a in self.plans:
            for b in self.plans:
                if a.code != b.code:
                    kind = declared.get((a.code, b.code)) or default_transition(a, b)
                    yield TransitionDef(a.code, b.code, kind)


def default_transition(a: PlanDef, b: PlanDef) -> str:
    """By rank; never between audiences."""
    if a.audience != b.audience:
        return TransitionKind.FORBIDDEN.value
    return TransitionKind.UPGRADE.value if b.rank > a.rank else TransitionKind.DOWNGRADE.value


class _Reader:
    """Takes values out of the file's tables and remembers what is wrong, so that one run names all problems."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def wrong(self, where: str, what: str) -> None:
        self.problems.append(f"{where}: {what}")

    def table(self, data: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
        value = data.get(key, {})
        if not isinstance(value, dict):
            self.wrong(where, f"{key} must be a table")
            return {}
        return value

    def only(self, data: Mapping[str, Any], allowed: tuple[str, ...], where: str) -> None:
        for key in data:
            if key not in allowed:
                self.wrong(where, f"unknown key {key!r} (known: {', '.join(allowed)})")

    def words(self, data: Mapping[str, Any], key: str, where: str, *, needed: bool = True) -> Words:
        table = self.table(data, key, where)
        self.only(table, LANGUAGES, f"{where}.{key}")
        texts = {}
        for language in LANGUAGES:
            text = table.get(language, "")
            if not isinstance(text, str) or (needed and not text.strip()):
                self.wrong(where, f"{key}.{language} must be a text")
                text = ""
            texts[language] = text
        return Words(**texts)

    def one_of(
        self, data: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str, default: str = ""
    ) -> str:
        value = data.get(key, default)
        if value not in allowed:
            self.wrong(where, f"{key} must be one of {', '.join(allowed)}, not {value!r}")
            return allowed[0]
        return str(value)

    def whole(self, data: Mapping[str, Any], key: str, where: str, default: int | None = None) -> int:
        value = data.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            self.wrong(where, f"{key} must be a whole number, 0 or more, not {value!r}")
            return 0
        return value

    def code(self, code: str, where: str) -> str:
        if not CODE.match(code):
            self.wrong(
                where, "a code is lower-case letters, digits and _, at most 40, beginning with a letter"
            )
        return code


def read_catalog(data: Mapping[str, Any]) -> Catalog:
    """The file's tables as a catalogue. Raises CatalogInvalid with every problem found."""
    reader = _Reader()
    reader.only(data, ("metrics", "features", "plans", "transitions"), "catalogue")
    metrics = tuple(_metric(reader, code, table) for code, table in _named(reader, data, "metrics"))
    features = tuple(_feature(reader, code, table) for code, table in _named(reader, data, "features"))
    plans = tuple(_plan(reader, code, table) for code, table in _named(reader, data, "plans"))
    transitions = tuple(_transitions(reader, data.get("transitions", [])))
    catalog = Catalog(metrics, features, plans, transitions)
    _check_references(reader, catalog)
    _check_as_a_whole(reader, catalog)
    if reader.problems:
        raise CatalogInvalid(reader.problems)
    return catalog


def _named(reader: _Reader, data: Mapping[str, Any], key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for code, table in reader.table(data, key, "catalogue").items():
        where = f"{key}.{reader.code(code, f'{key}.{code}')}"
        if isinstance(table, dict):
            yield code, table
        else:
            reader.wrong(where, "must be a table")


def _metric(reader: _Reader, code: str, table: dict[str, Any]) -> MetricDef:
    where = f"metrics.{code}"
    reader.only(table, ("kind", "name"), where)
    return MetricDef(
        code, reader.one_of(table, "kind", METRIC_KINDS, where, "counter"), reader.words(table, "name", where)
    )


def _feature(reader: _Reader, code: str, table: dict[str, Any]) -> FeatureDef:
    where = f"features.{code}"
    reader.only(table, ("name",), where)
    return FeatureDef(code, reader.words(table, "name", where))


PLAN_KEYS = (
    "rank",
    "audience",
    "currency",
    "name",
    "description",
    "prices",
    "limits",
    "features",
    "credits_per_period",
    "overage_minor_per_credit",
    "credit_metrics",
    "trial_days",
    "trial_card",
)


def _plan(reader: _Reader, code: str, table: dict[str, Any]) -> PlanDef:
    where = f"plans.{code}"
    reader.only(table, PLAN_KEYS, where)
    currency = table.get("currency", "")
    if not isinstance(currency, str) or not CURRENCY.match(currency):
        reader.wrong(where, "currency must be three lower-case letters")
    overage = table.get("overage_minor_per_credit")
    return PlanDef(
        code=code,
        rank=reader.whole(table, "rank", where),
        audience=reader.one_of(table, "audience", tuple(Audience.values), where),
        currency=str(currency),
        name=reader.words(table, "name", where),
        description=reader.words(table, "description", where, needed=False),
        prices=tuple(_prices(reader, reader.table(table, "prices", where), where)),
        limits=tuple(_limits(reader, table.get("limits", []), where)),
        features=tuple(_texts(reader, table.get("features", []), f"{where}.features")),
        credits_per_period=reader.whole(table, "credits_per_period", where, 0),
        overage_minor_per_credit=None
        if overage is None
        else reader.whole(table, "overage_minor_per_credit", where),
        credit_metrics=tuple(_credit_metrics(reader, reader.table(table, "credit_metrics", where), where)),
        trial_days=_trial_days(reader, table, where),
        trial_needs_card=reader.one_of(table, "trial_card", TRIAL_CARD, where, "required") == "required",
    )


def _credit_metrics(reader: _Reader, table: dict[str, Any], where: str) -> Iterator[tuple[str, int]]:
    for metric in table:
        price = reader.whole(table, metric, f"{where}.credit_metrics")
        if price == 0:
            reader.wrong(f"{where}.credit_metrics.{metric}", "must cost at least one credit")
        yield metric, price


def _trial_days(reader: _Reader, table: dict[str, Any], where: str) -> int:
    days = reader.whole(table, "trial_days", where, 0)
    if days > MAX_TRIAL_DAYS:
        reader.wrong(where, f"trial_days: at most {MAX_TRIAL_DAYS}")
    if not days and "trial_card" in table:
        reader.wrong(where, "trial_card says nothing without trial_days")
    return days


def _prices(reader: _Reader, table: dict[str, Any], where: str) -> Iterator[PriceDef]:
    reader.only(table, tuple(Interval.values), f"{where}.prices")
    if not table:
        reader.wrong(where, "needs a price: prices = { month = … }")
    for interval in Interval.values:
        if interval in table:
            amount = reader.whole(table, interval, f"{where}.prices")
            if amount > MAX_AMOUNT:
                reader.wrong(f"{where}.prices.{interval}", f"more than {MAX_AMOUNT} cannot be charged")
            yield PriceDef(interval, amount)


def _limits(reader: _Reader, rows: Any, where: str) -> Iterator[LimitDef]:
    if not isinstance(rows, list):
        reader.wrong(where, "limits must be a list of tables")
        return
    for index, row in enumerate(rows):
        at = f"{where}.limits[{index}]"
        if not isinstance(row, dict):
            reader.wrong(at, "must be a table")
            continue
        reader.only(row, ("metric", "window", "limit", "mode"), at)
        unlimited = row.get("limit") == UNLIMITED
        yield LimitDef(
            metric=str(row.get("metric", "")),
            window=reader.one_of(row, "window", WINDOWS, at),
            limit_units=None if unlimited else reader.whole(row, "limit", at),
            mode=reader.one_of(row, "mode", MODES, at, "block"),
        )


def _texts(reader: _Reader, rows: Any, where: str) -> Iterator[str]:
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        reader.wrong(where, "must be a list of texts")
        return
    yield from rows


def _transitions(reader: _Reader, rows: Any) -> Iterator[TransitionDef]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        reader.wrong("transitions", "must be a list of tables")
        return
    for index, row in enumerate(rows):
        where = f"transitions[{index}]"
        reader.only(row, ("from", "to", "kind"), where)
        yield TransitionDef(
            str(row.get("from", "")),
            str(row.get("to", "")),
            reader.one_of(row, "kind", tuple(TransitionKind.values), where),
        )


def _check_references(reader: _Reader, catalog: Catalog) -> None:
    metrics = {metric.code: metric for metric in catalog.metrics}
    features = {feature.code for feature in catalog.features}
    for plan in catalog.plans:
        where = f"plans.{plan.code}"
        for limit in plan.limits:
            metric = metrics.get(limit.metric)
            if metric is None:
                reader.wrong(where, f"unknown metric {limit.metric!r}")
            elif (metric.kind == "capacity") != (limit.window == "capacity"):
                reader.wrong(
                    where, f"{limit.metric} is a {metric.kind}: window {limit.window!r} does not fit"
                )
        for feature in plan.features:
            if feature not in features:
                reader.wrong(where, f"unknown feature {feature!r}")
    _check_credit_metrics(reader, catalog)
    codes = {plan.code for plan in catalog.plans}
    for one in catalog.transitions:
        for code in (one.from_plan, one.to_plan):
            if code not in codes:
                reader.wrong("transitions", f"unknown plan {code!r}")


def _check_credit_metrics(reader: _Reader, catalog: Catalog) -> None:
    counted = {metric.code for metric in catalog.metrics if metric.kind != "capacity"}
    for plan in catalog.plans:
        for code, _price in plan.credit_metrics:
            if code not in counted:
                where = f"plans.{plan.code}.credit_metrics"
                reader.wrong(where, f"credits pay for metrics that are counted per window, not for {code!r}")


def _check_as_a_whole(reader: _Reader, catalog: Catalog) -> None:
    for plan in catalog.plans:
        _no_twice(reader, f"plans.{plan.code}.limits", [f"{one.metric}/{one.window}" for one in plan.limits])
        _no_twice(reader, f"plans.{plan.code}.features", list(plan.features))
        if plan.is_free and plan.trial_days:
            reader.wrong(f"plans.{plan.code}", "a free plan needs no trial")
        if not plan.is_free and any(price.amount_minor == 0 for price in plan.prices):
            reader.wrong(f"plans.{plan.code}.prices", "a plan is free at every interval or at none")
    _no_twice(reader, "transitions", [f"{one.from_plan} → {one.to_plan}" for one in catalog.transitions])
    _no_twice(reader, "ranks", [f"{plan.audience} {plan.rank}" for plan in catalog.plans])
    kinds = {(one.from_plan, one.to_plan): one for one in catalog.all_transitions()}
    free = [plan for plan in catalog.plans if plan.is_free]
    for audience in Audience.values:
        if sum(plan.audience == audience for plan in free) > 1:
            reader.wrong("plans", f"more than one free plan for {audience}")
    for plan in free:
        for (a, b), one in kinds.items():
            if b == plan.code and one.kind == TransitionKind.UPGRADE:
                reader.wrong(
                    "transitions", f"{a} → {b}: a free plan cannot be an upgrade, nothing is paid for it"
                )
    _same_audience(reader, catalog)


def _same_audience(reader: _Reader, catalog: Catalog) -> None:
    plans = {plan.code: plan for plan in catalog.plans}
    for one in catalog.transitions:
        a, b = plans.get(one.from_plan), plans.get(one.to_plan)
        if a is None or b is None or one.kind == TransitionKind.FORBIDDEN:
            continue
        if a.code == b.code:
            reader.wrong("transitions", f"{a.code} → {b.code} is no transition")
        elif a.audience != b.audience or a.currency != b.currency:
            reader.wrong("transitions", f"{a.code} → {b.code}: audiences and currencies must be the same")
        elif a.is_free and one.kind == TransitionKind.DOWNGRADE:
            reader.wrong("transitions", f"{a.code} → {b.code}: there is no period to wait for on a free plan")


def _no_twice(reader: _Reader, where: str, values: list[str]) -> None:
    for value in sorted({value for value in values if values.count(value) > 1}):
        reader.wrong(where, f"{value} stands twice")

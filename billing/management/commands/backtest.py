"""`manage.py backtest`: what another catalogue would have made of past use."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.errors import CatalogInvalid
from billing.rules.replay import Outcome
from billing.selectors.replay import Offers, Replayed, replayed
from billing.services.catalog import catalog_load
from common.clock import now
from common.database import one_moment
from common.formats import money_text
from common.money import round_half_up
from quotas.management.commands.explain import find_account
from quotas.partitions import records_since
from quotas.reports import ONE_DAY, midnight

DEFAULT_DAYS = 30
HEAD = f"{'account':>10}  {'plans':<24} {'refused':>19}  {'past credits':>24}  {'revenue':>30}  difference"


class Command(BaseCommand):
    help = (
        "Replays past use against a catalogue file: for each account what it would have been refused or charged, and what "
        "that means for the revenue, beside what the terms it had make of the same records. Revenue is the list price "
        "for the time on each plan, to the second, and what came past the credits; discounts, taxes and contracts are "
        "left out, and times of reduced access count as full. Changes nothing. Exit code 1: the file is not right."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="the catalogue to try")
        parser.add_argument("--since", type=date.fromisoformat, metavar="DAY", help="first UTC day")
        parser.add_argument(
            "--until",
            type=date.fromisoformat,
            metavar="DAY",
            help="last UTC day, included; default: yesterday",
        )
        parser.add_argument("--account", help="only this one: its number, or its owner's e-mail address")
        parser.add_argument("--all", action="store_true", help="also accounts for which nothing differs")
        parser.add_argument(
            "--json", action="store_true", help="one JSON object a line, the last one the sum"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        since, until = _span(options["since"], options["until"])
        account_id = find_account(options["account"]).pk if options["account"] else None
        try:
            offers = Offers(catalog_load(options["file"]))
        except CatalogInvalid as error:
            raise CommandError("The catalogue is not right:\n  " + "\n  ".join(error.problems)) from error
        total = _Total()
        if not options["json"]:
            self.stdout.write(HEAD)
        with one_moment():
            for one in replayed(offers=offers, since=since, until=until, account_id=account_id):
                row = row_of(one)
                total.add(one, row)
                if options["all"] or row["differs"]:
                    self.stdout.write(json.dumps(row) if options["json"] else _line(row))
        summary = total.as_json(since, until, sorted(offers.kept))
        self.stdout.write(json.dumps(summary) if options["json"] else _in_words(summary))


def _span(first: date | None, last: date | None) -> tuple[datetime, datetime]:
    """[since, until): whole UTC days, by default the last 30 that are over."""
    today = now().date()
    last = last or today - ONE_DAY
    first = first or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or last >= today:
        raise CommandError("--since must not be after --until, and --until must be over.", returncode=2)
    complete = records_since()
    if complete is not None and midnight(first) < complete:
        raise CommandError(f"Records are kept since {complete:%Y-%m-%d} only.", returncode=2)
    return midnight(first), midnight(last + ONE_DAY)


def row_of(one: Replayed) -> dict[str, Any]:
    """An account's line. Amounts are in minor units by currency; `difference_minor` is the catalogue's less what was."""
    then, after = _side(one.then), _side(one.now)
    currencies = sorted({*then["revenue_minor"], *after["revenue_minor"]})
    difference = {
        name: after["revenue_minor"].get(name, 0) - then["revenue_minor"].get(name, 0) for name in currencies
    }
    return {
        "account": one.account_id,
        "plans": list(one.plans),
        "records": one.records,
        "then": then,
        "now": after,
        "difference_minor": difference,
        "differs": then != after,
    }


def _side(outcome: Outcome) -> dict[str, Any]:
    recurring = {name: _whole(share) for name, share in outcome.recurring.items()}
    overage = {name: amount for name, amount in outcome.overage_minor.items() if amount}
    return {
        "refused": {
            metric: {
                "operations": one.operations,
                "units": one.units,
                "first_at": one.first_at.isoformat() if one.first_at else None,
            }
            for metric, one in sorted(outcome.refused.items())
        },
        "overage_units": outcome.overage_units,
        "overage_minor": overage,
        "recurring_minor": recurring,
        "revenue_minor": {
            name: recurring.get(name, 0) + overage.get(name, 0) for name in sorted({*recurring, *overage})
        },
    }


def _whole(share: Fraction) -> int:
    return round_half_up(Decimal(share.numerator) / Decimal(share.denominator))


@dataclass
class _Total:
    """Sums of the accounts' lines, so that what is shown adds up."""

    accounts: int = 0
    differing: int = 0
    newly_refused: int = 0
    records: int = 0
    refused: dict[str, int] = field(default_factory=lambda: {"then": 0, "now": 0})
    revenue: dict[str, dict[str, int]] = field(default_factory=lambda: {"then": {}, "now": {}})

    def add(self, one: Replayed, row: dict[str, Any]) -> None:
        self.accounts += 1
        self.differing += row["differs"]
        self.records += one.records
        refused = {
            side: sum(each["operations"] for each in row[side]["refused"].values()) for side in self.refused
        }
        self.newly_refused += refused["now"] > refused["then"]
        for side, sums in self.revenue.items():
            self.refused[side] += refused[side]
            for name, amount in row[side]["revenue_minor"].items():
                sums[name] = sums.get(name, 0) + amount

    def as_json(self, since: datetime, until: datetime, kept: Iterable[str]) -> dict[str, Any]:
        currencies = sorted({*self.revenue["then"], *self.revenue["now"]})
        return {
            "since": since.isoformat(),
            "until": until.isoformat(),
            "accounts": self.accounts,
            "accounts_that_differ": self.differing,
            "accounts_refused_more": self.newly_refused,
            "records": self.records,
            "refused_operations": self.refused,
            "revenue_minor": self.revenue,
            "difference_minor": {
                name: self.revenue["now"].get(name, 0) - self.revenue["then"].get(name, 0)
                for name in currencies
            },
            "not_in_catalogue": list(kept),
        }


def _line(row: dict[str, Any]) -> str:
    refused = " → ".join(
        str(sum(one["operations"] for one in row[side]["refused"].values())) for side in ("then", "now")
    )
    past = " → ".join(_money(row[side]["overage_minor"]) for side in ("then", "now"))
    revenue = " → ".join(_money(row[side]["revenue_minor"]) for side in ("then", "now"))
    plans = ", ".join(row["plans"])
    return f"{row['account']:>10}  {plans:<24} {refused:>19}  {past:>24}  {revenue:>30}  {_money(row['difference_minor'])}"


def _money(amounts: dict[str, int]) -> str:
    return " + ".join(money_text(amount, name) for name, amount in sorted(amounts.items())) or "0"


def _in_words(total: dict[str, Any]) -> str:
    refused, revenue = total["refused_operations"], total["revenue_minor"]
    span = f"from {total['since'][:10]} to before {total['until'][:10]}"
    more = f"more than before for {total['accounts_refused_more']} accounts"
    lines = [
        f"{total['accounts']} accounts, {total['records']} records {span}; {total['accounts_that_differ']} accounts differ",
        f"refused: {refused['then']} → {refused['now']} operations, {more}",
        f"revenue: {_money(revenue['then'])} → {_money(revenue['now'])}, difference {_money(total['difference_minor'])}",
    ]
    if total["not_in_catalogue"]:
        lines.append(f"not in the catalogue, left as bought: {', '.join(total['not_in_catalogue'])}")
    return "\n".join(lines)

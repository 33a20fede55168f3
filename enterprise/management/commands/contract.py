"""`manage.py contract create|amend|end|list|show|mend`: what operators do with contracts."""

from __future__ import annotations

import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from common import clock
from common.errors import DomainError
from common.formats import price_text
from common.management import arguments
from enterprise.enums import Collection
from enterprise.models import Contract
from enterprise.rules.contracts import LimitTerms
from enterprise.selectors.contracts import contract_json
from enterprise.services import contract_amend, contract_create, contract_end
from enterprise.services.contracts import contract_limits_mend
from quotas.enums import Window
from quotas.management.commands.explain import find_account

REFUSED, USAGE = 1, 2
ACTOR = "contract command"
NEVER, UNCHANGED, UNLIMITED = "never", "unchanged", "unlimited"
LIMIT = re.compile(
    r"([a-z][a-z0-9_-]*)/([a-z]+)=(unlimited|\d{1,16})(?:@(\d{1,10}(?:\.\d{1,6})?))?", re.ASCII
)
LIMIT_HELP = (
    "METRIC/WINDOW=UNITS is refused past it; METRIC/WINDOW=UNITS@PRICE is charged, PRICE in minor units for each, "
    "fractions too (api_calls/day=100@1.5). UNITS may be `unlimited`. Repeat it for more limits"
)


class Command(BaseCommand):
    help = (
        "Makes, amends and ends the contracts of organisations, and shows them. What was used stays used. --dry-run "
        "checks everything and changes nothing. Times are RFC 3339 (2027-01-01T00:00:00Z) or days, which begin at "
        "midnight UTC. Exit code 1: refused, and why; 2: wrongly asked."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        listing = verbs.add_parser("list", help="all contracts, or an account's")
        listing.add_argument("--account", help="account number, or a member's e-mail address")
        shown = verbs.add_parser("show", help="one contract with its amendments")
        mended = verbs.add_parser("mend", help="make the meter's limits what the account's contracts say")
        mended.add_argument("--account", required=True, help="account number, or a member's e-mail address")
        mended.add_argument("--dry-run", action="store_true", help="say whose, change nothing")
        made = verbs.add_parser("create", help="a new contract")
        amended = verbs.add_parser("amend", help="other limits or another end, from a moment on")
        ended = verbs.add_parser("end", help="let it end, now or later")
        for one in (shown, amended, ended):
            one.add_argument("contract", help="the contract's id")
        made.add_argument("--account", required=True, help="account number, or a member's e-mail address")
        made.add_argument("--title", required=True)
        made.add_argument("--currency", required=True, help="usd, eur …")
        made.add_argument("--starts", help="default: now")
        made.add_argument("--ends", default=NEVER, help="default: never")
        made.add_argument("--period-months", type=int, default=1, help="how long its periods are; default: 1")
        made.add_argument("--collection", choices=Collection.values, default=Collection.INVOICE.value)
        made.add_argument("--limit", action="append", required=True, help=LIMIT_HELP)
        amended.add_argument("--limit", action="append", help=f"{LIMIT_HELP}; default: as before")
        amended.add_argument("--ends", default=UNCHANGED, help="a time, `never`, or `unchanged` (default)")
        amended.add_argument("--from", dest="effective", help="from when on; default: now")
        ended.add_argument("--at", help="default: now")
        for one in (made, amended, ended):
            one.add_argument("--reason", required=True, help="why; it stands in the trail")
            one.add_argument("--dry-run", action="store_true", help="check it, change nothing")
        for one in (listing, shown, made, amended, ended):
            one.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *_args: Any, **options: Any) -> None:
        verb, now = options["verb"], clock.now()
        if verb == "list":
            rows = Contract.objects.prefetch_related("terms__limits").select_related("account")
            if options["account"]:
                rows = rows.filter(account=find_account(options["account"]))
            for contract in rows.order_by("account_id", "starts_at"):
                self._tell(contract, now, options, whole=False)
            return
        if verb == "show":
            self._tell(_contract(options["contract"]), now, options, whole=True)
            return
        if verb == "mend":
            account = find_account(options["account"])
            if not options["dry_run"]:
                contract_limits_mend(account_id=account.pk, actor=ACTOR, now=now)
            verb = "would be" if options["dry_run"] else "are"
            self.stdout.write(f"account {account.pk}: the meter's limits {verb} what its contracts say")
            return
        acts = {"create": _create, "amend": _amend, "end": _end}
        dry = options["dry_run"]
        try:
            with transaction.atomic():
                contract = acts[verb](options, now)
                told = _reread(contract)
                transaction.set_rollback(dry)
        except DomainError as error:
            raise CommandError(_why(error), returncode=REFUSED) from error
        self._tell(told, now, options, whole=True)
        if dry and not options["json"]:
            self.stdout.write("(dry run: nothing was changed)")

    def _tell(self, contract: Contract, now: datetime, options: dict[str, Any], *, whole: bool) -> None:
        told = contract_json(contract, now)
        if options["json"]:
            told |= {"dry_run": True} if options.get("dry_run") else {}
            self.stdout.write(json.dumps(told, default=_text))
            return
        self.stdout.write(_line(told))
        for terms in told["terms"] if whole else []:
            mark = "*" if terms["in_force"] else " "
            self.stdout.write(
                f" {mark} {terms['number']} from {_text(terms['effective_at'])}: {terms['reason']}"
            )
            for limit in terms["limits"]:
                self.stdout.write(f"     {_limit_text(limit, contract.currency)}")


def _create(options: dict[str, Any], now: datetime) -> Contract:
    return contract_create(
        account=find_account(options["account"]),
        title=options["title"],
        currency=options["currency"],
        limits=_limits(options["limit"]),
        starts_at=_moment(options["starts"]) if options["starts"] else now,
        ends_at=None if options["ends"] == NEVER else _moment(options["ends"]),
        period_months=options["period_months"],
        collection=options["collection"],
        actor=ACTOR,
        reason=options["reason"],
        now=now,
    )


def _amend(options: dict[str, Any], now: datetime) -> Contract:
    contract = _contract(options["contract"])
    ends_at = contract.ends_at
    if options["ends"] != UNCHANGED:
        ends_at = None if options["ends"] == NEVER else _moment(options["ends"])
    contract_amend(
        contract=contract,
        limits=_limits(options["limit"]) if options["limit"] else None,
        ends_at=ends_at,
        effective_at=_moment(options["effective"]) if options["effective"] else None,
        actor=ACTOR,
        reason=options["reason"],
        now=now,
    )
    return contract


def _end(options: dict[str, Any], now: datetime) -> Contract:
    contract = _contract(options["contract"])
    at = _moment(options["at"]) if options["at"] else None
    contract_end(contract=contract, at=at, actor=ACTOR, reason=options["reason"], now=now)
    return contract


def _contract(text: str) -> Contract:
    try:
        found = Contract.objects.filter(public_id=UUID(text)).first()
    except ValueError:
        found = None
    if found is None:
        raise CommandError(f"there is no contract {text}", returncode=USAGE)
    return _reread(found)


def _reread(contract: Contract) -> Contract:
    return Contract.objects.select_related("account").prefetch_related("terms__limits").get(pk=contract.pk)


def _limits(texts: list[str]) -> list[LimitTerms]:
    return [_limit(text) for text in texts]


def _limit(text: str) -> LimitTerms:
    match = LIMIT.fullmatch(text)
    if match is None or match[2] not in Window.values:
        windows = ", ".join(Window.values)
        raise CommandError(f"--limit {text}: {LIMIT_HELP}. Windows: {windows}", returncode=USAGE)
    metric, window, units, price = match.groups()
    try:
        overage_price = None if price is None else Decimal(price)
    except InvalidOperation as error:
        raise CommandError(f"--limit {text}: {LIMIT_HELP}", returncode=USAGE) from error
    return LimitTerms(
        metric=metric,
        window=window,
        limit_units=None if units == UNLIMITED else int(units),
        mode="block" if price is None else "overage",
        overage_price=overage_price,
    )


def _moment(text: str) -> datetime:
    try:
        return arguments.instant(text)
    except ArgumentTypeError as error:
        raise CommandError(str(error), returncode=USAGE) from error


def _why(error: DomainError) -> str:
    fields = "; ".join(one["message"] for one in error.details.get("fields", []))
    return f"{error.code}: {fields or error.message}"


def _line(told: dict[str, Any]) -> str:
    ends = _text(told["ends_at"]) if told["ends_at"] else "until further notice"
    return (
        f"{told['id']} {told['state']:8} account {told['account']} {told['title']!r}, {told['currency']}, "
        f"{_text(told['starts_at'])} to {ends}"
    )


def _limit_text(limit: dict[str, Any], currency: str) -> str:
    units = UNLIMITED if limit["limit"] is None else limit["limit"]
    past = (
        "refused" if limit["overage_price"] is None else price_text(Decimal(limit["overage_price"]), currency)
    )
    return f"{limit['metric']}/{limit['window']}: {units}, then {past}"


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return str(value)

"""Move subscribers to another version of their plan."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from billing.errors import InvalidTargetPlan
from billing.services.moves import (
    AT,
    MovePreview,
    move_candidates,
    move_preview,
    subscription_move,
    version_get,
)
from common.clock import now
from common.errors import DomainError


class Command(BaseCommand):
    help = (
        "Moves who is on an older version of a plan to another one, by default the one sold now. Shows for each what "
        "changes and what the next invoice is before and after, as Stripe works it out; --dry-run stops there. A move "
        "charges nothing itself and can be undone until it takes effect. Run again it goes on where it was. Exit code "
        "1: some could not be moved; 2: there is no such plan or version."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--plan", required=True, help="the plan's code")
        parser.add_argument("--from", dest="from_number", type=int, help="only who is on this version")
        parser.add_argument("--to", default="current", help="a version's number, or `current` (default)")
        parser.add_argument("--at", choices=AT, default="period_end", help="when it takes effect")
        parser.add_argument("--dry-run", action="store_true", help="show the previews, move nobody")
        parser.add_argument("--json", action="store_true", help="report as JSON, one object a line")

    def handle(self, *_args: Any, **options: Any) -> None:
        number = None if options["to"] == "current" else _number(options["to"])
        try:
            target = version_get(plan=options["plan"], number=number)
        except InvalidTargetPlan as error:
            raise CommandError(str(error.message), returncode=2) from error
        count, failed = 0, 0
        for subscription in move_candidates(target=target, from_number=options["from_number"]):
            count += 1
            row, outcome = {}, ""
            try:
                preview = move_preview(subscription=subscription, target=target, at=options["at"], now=now())
                row, outcome = preview.as_json(), _said(preview)
                if not options["dry_run"] and not preview.blocked:
                    change = subscription_move(
                        account=subscription.account,
                        target=target,
                        at=options["at"],
                        actor=None,
                        request_id="move-subscribers",
                        now=now(),
                    )
                    row |= {"plan_change": str(change.pk), "status": change.status}
                    outcome += f": {change.status}"
                failed += bool(preview.blocked)
            except DomainError as error:
                failed += 1
                row |= {"account": subscription.account_id, "error": error.code}
                outcome = f"account {subscription.account_id}: {error.code} ({error.message})"
            self.stdout.write(json.dumps(row) if options["json"] else outcome)
        if not options["json"]:
            self.stdout.write(
                f"{count} subscribers, {failed} not possible" + (" (dry run)" if options["dry_run"] else "")
            )
        if failed:
            raise SystemExit(1)


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise CommandError("--to takes a version's number, or `current`.", returncode=2) from error


def _said(preview: MovePreview) -> str:
    account = preview.subscription.account
    head = f"account {account.pk} ({account.billing_email}), v{preview.subscription.plan_version.number}"
    if preview.blocked:
        return f"{head}: not possible ({preview.blocked})"
    limits = [f"{one.metric}/{one.window} {one.from_limit} -> {one.to_limit}" for one in preview.limits]
    money = [
        f"{one.amount_minor} {one.currency}"
        for one in (preview.next_before, preview.next_after)
        if one is not None
    ]
    over = [f"{one.excess} {one.metric} too many" for one in preview.exceeding]
    parts = [" -> ".join(money) or "free", *limits, *over]
    return f"{head} -> v{preview.target.version.number if preview.target else '?'}: {', '.join(parts)}"

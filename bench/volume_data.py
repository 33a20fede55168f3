"""A database as it is after a while: many accounts on a plan, a million operations, and all that support searches in."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from psycopg import sql

DAYS = 60
METRIC, CREDITED = "messages", 2_000
ENTRIES = 50
STAFF = "root@volume.test"
ROW = "SELECT copy.* FROM {table} AS original, generate_series(1, %(count)s) AS n, LATERAL jsonb_populate_record(original, {changes}) AS copy"

# What a row differs in from the one that is copied: SQL that gives JSON; `n` counts from 1, {a} and {u} are the first
# account's and person's numbers.
OF_PEOPLE = {
    "accounts_user": "jsonb_build_object('id', {u} + n, 'email', 'person-' || n || '@volume.test')",
    "accounts_account": "jsonb_build_object('id', {a} + n, 'public_id', gen_random_uuid(), 'personal_owner_id', {u} + n,"
    " 'name', 'Person ' || n, 'stripe_customer_id', 'cus_v' || n, 'billing_email', '')",
    "billing_subscription": "jsonb_build_object('id', gen_random_uuid(), 'account_id', {a} + n,"
    " 'stripe_subscription_id', 'sub_v' || n, 'stripe_item_id', 'si_v' || n)",
    "quotas_rightsversion": "jsonb_build_object('account_id', {a} + n)",
    "quotas_entitlement": "jsonb_build_object('account_id', {a} + n, 'id', nextval('quotas_entitlement_id_seq'))",
    "quotas_featuregrant": "jsonb_build_object('account_id', {a} + n, 'id', nextval('quotas_featuregrant_id_seq'))",
}
OF_EVENTS = {
    "billing_paymentattempt": "jsonb_build_object('id', nextval('billing_paymentattempt_id_seq'), 'account_id', {a} + 1 + n %% {accounts},"
    " 'stripe_id', 'ch_v' || n, 'stripe_intent_id', 'pi_v' || n, 'stripe_invoice_id', 'in_v' || n,"
    " 'card_last4', lpad((n %% 10000)::text, 4, '0'), 'request_id', 'pay-' || n, 'attempted_at', {at})",
    "billing_planchange": "jsonb_build_object('id', gen_random_uuid(), 'account_id', {a} + 1 + n %% {accounts}, 'request_id', 'change-' || n,"
    " 'stripe_invoice_id', 'in_v' || n, 'requested_at', {at}, 'settled_at', {at}, 'proration_at', {at})",
    "common_auditentry": "jsonb_build_object('id', gen_random_uuid(), 'account_id', {a} + 1 + n %% {accounts}, 'request_id', 'audit-' || n,"
    " 'subject', 'thing-' || n, 'at', {at})",
    "quotas_refusedcall": "jsonb_build_object('id', nextval('quotas_refusedcall_id_seq'), 'account_id', {a} + 1 + n %% {accounts},"
    " 'request_id', 'refused-' || n, 'occurred_at', {at})",
    "common_outboxmessage": "jsonb_build_object('id', nextval('common_outboxmessage_id_seq'), 'dedupe_key', 'event-' || n,"
    " 'request_id', 'promise-' || n, 'created_at', {at}, 'due_at', {at}, 'done_at', {at})",
    "accounts_notification": "jsonb_build_object('id', gen_random_uuid(), 'account_id', {a} + 1 + n %% {accounts},"
    " 'user_id', {u} + 1 + n %% {accounts}, 'cause', 'volume-' || n, 'created_at', {at})",
    "djstripe_invoice": "jsonb_build_object('djstripe_id', nextval('djstripe_invoice_djstripe_id_seq'), 'id', 'in_v' || n,"
    " 'stripe_data', original.stripe_data || jsonb_build_object('number', 'VOL-' || n, 'customer', 'cus_v' || (1 + n %% {accounts})))",
}
SPREAD = "palier_now() - interval '2 hours' - (n %% 5184000) * interval '1 second'"

RECORDS = """
WITH made AS (
  INSERT INTO quotas_usagerecord (id, account_id, metric_id, kind, units, key, occurred_at, recorded_at)
  SELECT b.base + n, %(first)s + n %% %(accounts)s, m.id, 'consume', 1, gen_random_uuid(), at, at
  FROM generate_series(0, %(count)s - 1) AS n, quotas_metric m,
    LATERAL (SELECT palier_now() - interval '2 hours' - (n %% %(span)s) * interval '1 second' AS at) AS t,
    (SELECT (SELECT max(nextval('quotas_record_block')) FROM generate_series(0, (%(count)s - 1) / 1024)) * 1024
       - (%(count)s - 1) / 1024 * 1024 AS base) AS b
  WHERE m.code = %(metric)s RETURNING account_id, key, occurred_at
)
INSERT INTO quotas_operationkey (account_id, key, created_at) SELECT account_id, key, occurred_at FROM made
"""
ROLLED = """
INSERT INTO quotas_usageday (account_id, metric_id, day, units, overage_units, operations, hour_units, updated_at)
SELECT account_id, metric_id, day, sum(units), 0, sum(operations),
  (SELECT array_agg(coalesce((SELECT sum(u) FROM unnest(array_agg(h.hour), array_agg(h.units)) AS x(hr, u) WHERE hr = i), 0)
     ORDER BY i) FROM generate_series(0, 23) AS i), palier_now()
FROM (SELECT account_id, metric_id, (occurred_at AT TIME ZONE 'UTC')::date AS day,
    extract(hour FROM occurred_at AT TIME ZONE 'UTC')::integer AS hour, sum(units) AS units, count(*) AS operations
  FROM quotas_usagerecord GROUP BY 1, 2, 3, 4) AS h GROUP BY 1, 2, 3
"""
BUCKETS = """
INSERT INTO quotas_bucket (account_id, metric_id, "window", starts_at, ends_at, limit_units, mode, used_units,
  reserved_units, rights_version, entitlement_id, updated_at)
SELECT e.account_id, e.metric_id, e."window", w.starts_at, max(w.ends_at), e.limit_units, e.mode, sum(r.units), 0, 1, e.id,
  palier_now()
FROM quotas_usagerecord r JOIN quotas_entitlement e USING (account_id, metric_id), LATERAL (SELECT
  quotas_window_start(e."window", r.occurred_at, e.anchor_at, e.period_months, e.window_floor_at) AS starts_at,
  quotas_window_end(e."window", r.occurred_at, e.anchor_at, e.period_months) AS ends_at) AS w
GROUP BY e.id, w.starts_at
"""
WALLETS = """
INSERT INTO quotas_wallet (account_id, balance_units, updated_at)
SELECT %(first)s + n, 1000 - %(entries)s, palier_now() FROM generate_series(0, %(count)s - 1) AS n
"""
GRANTS = """
INSERT INTO quotas_grant (account_id, source, request_id, units, remaining_units, granted_at, reason)
SELECT account_id, 'support', 'volume-' || account_id, 1000, 1000 - %(entries)s, palier_now(), 'volume' FROM quotas_wallet
"""
LEDGER = """
INSERT INTO quotas_ledgerentry (account_id, kind, request_id, units, overage_units, balance_units, grant_id, reason, occurred_at)
SELECT account_id, 'adjustment', 'volume:' || account_id || ':' || n, CASE n WHEN 0 THEN 1000 ELSE -1 END, 0, 1000 - n, id,
  'volume', palier_now()
FROM quotas_grant, generate_series(0, %(entries)s) AS n ORDER BY account_id, n
"""


@dataclass(frozen=True)
class Volume:
    """`first_account` to its `accounts`-th follower are alike; every table of events has `events` rows."""

    first_account: int
    accounts: int
    records: int
    events: int


def furnish(*, accounts: int, records: int, events: int) -> Volume:
    """Make all of it; the books are right."""
    call_command(
        "migrate", run_syncdb=True, verbosity=0
    )  # dj-stripe's tables, whose own history is left out here
    started = _now() - timedelta(days=DAYS + 5)
    person, account = _template(started)
    names = {"a": account.pk, "u": person.pk, "accounts": accounts, "at": SPREAD}
    for table, changes in OF_PEOPLE.items():
        _copy(table, changes, names, accounts)
    from accounts.models import User

    _run("SELECT setval(pg_get_serial_sequence('accounts_user', 'id'), (SELECT max(id) FROM accounts_user))")
    User.objects.create_user(STAFF, None, is_staff=True, is_superuser=True)
    first = account.pk + 1
    figures = {
        "first": first,
        "accounts": accounts,
        "count": records,
        "metric": METRIC,
        "span": DAYS * 86_400,
    }
    wallets = {"first": first, "count": min(CREDITED, accounts), "entries": ENTRIES}
    _run("SELECT quotas_ensure_partitions(palier_now() - interval '3 months', 3)")
    for statement, values in (
        (RECORDS, figures),
        (ROLLED, {}),
        (BUCKETS, {}),
        (WALLETS, wallets),
        (GRANTS, wallets),
        (LEDGER, wallets),
    ):
        _run(statement, values)
    _templates_of_events(account, person, started)
    for table, changes in OF_EVENTS.items():
        _copy(table, changes, names, events)
    _run("VACUUM ANALYZE")
    return Volume(first, accounts, records, events)


def _template(started: datetime) -> tuple[Any, Any]:
    """A person on a plan, whose rows are copied."""
    from django.conf import settings

    from accounts.models import User
    from accounts.services import account_create_personal
    from billing.errors import PaymentProviderUnavailable
    from billing.models import Price, Subscription
    from billing.services.catalog import catalog_load, catalog_sync
    from billing.services.entitlements import subscription_entitle

    # Nobody is Stripe here; our own side is committed before it is called.
    with suppress(PaymentProviderUnavailable):
        catalog_sync(catalog=catalog_load(Path(settings.CATALOG_FILE)), now=started)
    person = User.objects.create(email="person-0@volume.test", password="!")
    account = account_create_personal(user=person, now=started)
    price = Price.objects.select_related("version").get(version__plan__code="premium", interval="month")
    # A free one is there already.
    Subscription.objects.filter(account=account).update(
        plan_version=price.version,
        price=price,
        status="active",
        access="full",
        stripe_subscription_id="sub_v0",
        stripe_item_id="si_v0",
        stripe_read_at=started,
        anchor_at=started,
        current_period_start=started,
        current_period_end=_now() + timedelta(days=20),
        started_at=started,
    )
    subscription = Subscription.objects.get(account=account)
    with transaction.atomic():
        subscription_entitle(account_id=account.pk, subscription=subscription, scheduled=None, now=started)
    return person, account


def _templates_of_events(account: Any, person: Any, at: datetime) -> None:
    """One row of each kind."""
    from djstripe.models import Customer, Invoice

    from accounts.models import Notification
    from billing.models import PaymentAttempt, PlanChange
    from common import audit
    from common.models import OutboxMessage
    from quotas.models import RefusedCall
    from quotas.selectors import quota_status
    from quotas.serialize import bound_json

    PaymentAttempt.objects.create(
        account=account,
        stripe_id="ch_v0",
        amount_minor=900,
        currency="EUR",
        card_brand="visa",
        card_last4="4242",
        outcome="succeeded",
        attempted_at=at,
    )
    PlanChange.objects.create(
        account=account,
        kind="upgrade",
        status="failed",
        error_code="payment_failed",
        proration_at=at,
        requested_at=at,
        settled_at=at,
    )
    audit.record(actor=None, account_id=account.pk, action="thing.done", subject="thing", now=at)
    RefusedCall.objects.create(
        account_id=account.pk,
        metric=METRIC,
        units=1,
        refusal="quota_exceeded",
        bounds=[bound_json(one) for one in quota_status(account_id=account.pk, metric=METRIC)],
        occurred_at=at,
    )
    OutboxMessage.objects.update(done_at=at)
    OutboxMessage.objects.exclude(pk=OutboxMessage.objects.order_by("pk").values("pk")[:1]).delete()
    Notification.objects.create(
        user=person,
        account=account,
        kind="billing",
        template="volume",
        cause="volume-0",
        in_app=True,
        email_status="none",
        created_at=at,
    )
    customer = Customer.objects.create(id="cus_v0", stripe_data={"object": "customer"})
    Invoice.objects.create(
        id="in_v0",
        customer=customer,
        stripe_data={"object": "invoice", "number": "VOL-0", "customer": "cus_v0", "lines": ["x" * 60] * 60},
        created=at,
    )


def _copy(table: str, changes: str, names: dict[str, Any], count: int) -> None:
    statement = sql.SQL("INSERT INTO {table} " + ROW).format(
        table=sql.Identifier(table),
        changes=sql.SQL(changes.format(**names)),
    )
    _run(statement, {"count": count})


def _run(statement: Any, values: dict[str, Any] | None = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _now() -> datetime:
    from common.clock import database_now

    return database_now()

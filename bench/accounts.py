"""Accounts to measure with, by the hundred thousand: one is made as the product makes them, the others copy its rows."""

from __future__ import annotations

import psycopg
from psycopg import sql

METRIC = "messages"
UNREACHED_LIMIT_UNITS = 10**12

# The metering tables that have rows for an account in its steady state, and what the copies differ in besides their
# account: SQL that gives JSON, where `n` is the copy's account. A bucket names the right under which it counts.
COPIED = {
    "quotas_rightsversion": "'{}'",
    "quotas_entitlement": "'{}'",
    "quotas_bucket": "jsonb_build_object('used_units', 0, 'entitlement_id', right_of.id)",
    "quotas_usageday": "jsonb_build_object('units', 0, 'operations', 0, 'hour_units', array_fill(0, ARRAY[24]))",
}


def create_accounts(database_url: str, count: int) -> tuple[int, int]:
    """`count` new organisations entitled to a limit of messages a day that no run reaches: (first, last) id.

    Today's counters stand at zero already, as the rows that pgbench updates do: what is measured is the steady state,
    not the first call of a day.
    """
    template_id = create_entitled_account()
    with psycopg.connect(database_url, autocommit=True) as connection:
        with connection.transaction():
            first, last = _copy_account(connection, template_id, count)
            for table, changes in COPIED.items():
                _copy_rows(connection, table, changes, template_id, (first, last))
        connection.execute("VACUUM ANALYZE")
    return first, last


def create_entitled_account() -> int:
    """One account with the limit, which has used one unit: its id."""
    from accounts.models import Account, AccountKind
    from quotas.services import usage_consume

    account = Account.objects.create(kind=AccountKind.ORGANISATION, name="bench")
    entitle(account.pk)
    usage_consume(account_id=account.pk, metric=METRIC)
    return account.pk


def create_person() -> tuple[int, str]:
    """Somebody with the limit, who calls the API: the account's id and an access token."""
    from accounts import tokens
    from accounts.models import Account, AccountKind, User

    user = User.objects.create_user("bench@palier.test")
    account = Account.objects.create(kind=AccountKind.PERSONAL, name="bench", personal_owner=user)
    entitle(account.pk)
    return account.pk, tokens.issue(user).access


def entitle(account_id: int) -> None:
    """Give an account the limit that no run reaches."""
    from common import clock
    from quotas.enums import Source, Window
    from quotas.services import LimitSpec, MetricSpec, Phase, entitlements_replace, metrics_sync

    now = clock.now()
    metrics_sync([MetricSpec(METRIC, "Messages", "Messages")])
    limit = LimitSpec(METRIC, Window.DAY, UNREACHED_LIMIT_UNITS)
    timeline = [Phase(starts_at=now, limits=(limit,))]
    entitlements_replace(
        account_id=account_id, source=Source.PLAN, source_ref="bench", timeline=timeline, now=now
    )


def _copy_account(connection: psycopg.Connection, template_id: int, count: int) -> tuple[int, int]:
    row = connection.execute(
        "WITH copies AS (INSERT INTO accounts_account SELECT copy.* FROM accounts_account AS original,"
        " generate_series(1, %s) AS n, LATERAL jsonb_populate_record(original, jsonb_build_object("
        "  'id', nextval(pg_get_serial_sequence('accounts_account', 'id')), 'public_id', gen_random_uuid(), 'name', 'bench ' || n)) AS copy"
        " WHERE original.id = %s RETURNING id) SELECT min(id), max(id), count(*) FROM copies",
        [count, template_id],
    ).fetchone()
    if row is None or row[1] - row[0] + 1 != count or row[2] != count:
        raise RuntimeError(f"the accounts' ids are not consecutive: {row}")
    return row[0], row[1]


def _copy_rows(
    connection: psycopg.Connection, table: str, changes: str, template_id: int, accounts: tuple[int, int]
) -> None:
    """Copy the template's rows of `table` to each account, with `changes` (JSON) and an id of their own."""
    has_id = connection.execute(
        "SELECT 1 FROM information_schema.columns WHERE table_name = %s AND column_name = 'id'", [table]
    ).fetchone()
    new_id = sql.SQL("jsonb_build_object('id', nextval(pg_get_serial_sequence({}, 'id')))").format(
        sql.Literal(table)
    )
    copied = connection.execute(
        sql.SQL(
            "INSERT INTO {table} SELECT copy.* FROM {table} AS original,"
            " generate_series(%(first)s::bigint, %(last)s::bigint) AS n"
            " LEFT JOIN quotas_entitlement AS right_of ON right_of.account_id = n, LATERAL jsonb_populate_record(original,"
            " {changes}::jsonb || jsonb_build_object('account_id', n) || {new_id}) AS copy"
            " WHERE original.account_id = %(template_id)s"
        ).format(
            table=sql.Identifier(table),
            changes=sql.SQL(changes),
            new_id=new_id if has_id else sql.SQL("'{}'::jsonb"),
        ),
        {"first": accounts[0], "last": accounts[1], "template_id": template_id},
    ).rowcount
    if copied < accounts[1] - accounts[0] + 1:
        raise RuntimeError(f"account {template_id} has no rows in {table} to copy")

"""Looking for a person in every table there is, so that one added later is looked through as well."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.stack import Stack

TABLES = """
SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
"""
# How a column of a row that is about somebody, or a key of a JSON value in it, is called when it says who or from where.
PERSONAL = re.compile(
    r"(.*_)?(email|last4|brand|fingerprint|exp_year|ip|ip_address|remote_addr|user_agent|phone|postal_code|line1|city"
    r"|tax_ids?|vat|display_name|first_name|last_name|full_name|address|billing_details|shipping)$"
)
NOT_OF_PEOPLE = frozenset({"quotas_operationkey.fingerprint"})  # of a request
NOBODY = "@deleted.invalid"


def tables(stack: Stack) -> list[str]:
    return [name for (name,) in stack.sql(TABLES)]


# Tables whose rows belong to an account or a person; a partitioned one once.
OWNED = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND NOT a.attisdropped
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attname = ANY(%s) AND a.atttypid IN ('bigint'::regtype, 'integer'::regtype)
"""


def tables_without_rows(stack: Stack, owners: dict[str, int]) -> set[str]:
    """The tables that could hold something of these owners, and hold nothing: a search in them shows nothing."""
    columns: dict[str, list[str]] = {}
    for table, column in stack.sql(OWNED, list(owners)):
        columns.setdefault(table, []).append(column)
    return {
        table
        for table, own in columns.items()
        if not stack.sql(
            f'SELECT 1 FROM "{table}" WHERE {" OR ".join(f"{one} = %s" for one in own)} LIMIT 1',
            *(owners[one] for one in own),
        )
    }


WORDS = """
SELECT word FROM unnest(%s::text[], %s::text[]) AS sought (word, in_bytes)
WHERE EXISTS (SELECT 1 FROM "{table}" AS row WHERE row::text ILIKE '%%' || word || '%%' OR row::text LIKE '%%' || in_bytes || '%%')
"""


def words_found(stack: Stack, words: Iterable[str]) -> set[str]:
    """The tables in which one of these words stands anywhere: as text, within JSON, or within bytes."""
    sought = list(words)
    in_bytes = [word.encode().hex() for word in sought]
    return {
        f"{table}: {word}"
        for table in tables(stack)
        for (word,) in stack.sql(WORDS.format(table=table), sought, in_bytes)
    }


def personal_fields(stack: Stack, owners: dict[str, int], ids: Iterable[str]) -> set[str]:
    """The fields by a personal name that hold anything, in the rows of these owners or that name one of these ids."""
    found = set()
    for table in tables(stack):
        for row in _rows_about(stack, table, owners, tuple(ids)):
            found |= {f"{table}.{path}" for path in _personal(row)}
    return found - NOT_OF_PEOPLE


def _rows_about(stack: Stack, table: str, owners: dict[str, int], ids: tuple[str, ...]) -> Iterator[Any]:
    columns = {
        name
        for (name,) in stack.sql(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", table
        )
    }
    tests = [f'row."{name}"::text = %s' for name in owners if name in columns]
    values: list[Any] = [str(owners[name]) for name in owners if name in columns]
    own = {"accounts_user": "user_id", "accounts_account": "account_id"}.get(table)
    if own:
        tests.append("row.id::text = %s")
        values.append(str(owners[own]))
    tests += ["row::text LIKE %s"] * len(ids)
    values += [f"%{one}%" for one in ids]
    for (row,) in stack.sql(
        f'SELECT to_jsonb(row) FROM "{table}" AS row WHERE {" OR ".join(tests)}', *values
    ):
        yield row


def _personal(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _personal(one, path)
    elif isinstance(value, dict):
        for key, one in value.items():
            here = f"{path}.{key}" if path else key
            if PERSONAL.fullmatch(key) and one and not str(one).endswith(NOBODY):
                yield here
            else:
                yield from _personal(one, here)

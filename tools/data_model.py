"""`python -m tools.data_model [--check]`: docs/data-model.md, with a diagram of each app's tables, from the models."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import django
from django.apps import apps
from django.db import models

from sandbox.environment import ROOT, application_environment, make_secrets

DOCUMENT = ROOT / "docs" / "data-model.md"
ROOMS = ("common", "accounts", "quotas", "billing", "enterprise", "showcase")
NOWHERE = {"database_url": "postgres://x:x@127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1/0"}
HEAD = """# Data model

Every table of ours, read off the models by `python -m tools.data_model`; `make check` fails when this page is not what the
models say. Lines are foreign keys; a table of another app stands without its columns. Columns named `account_id` without a
line name an account too: the meter writes them at every call and leaves the key out, so that its tables can be spread by account.
Constraints that hold the invariants are named in the table below each diagram; unique columns are marked UK. Stripe's objects are named by their ids
(`stripe_…_id`), never by a foreign key; dj-stripe's own tables mirror them.
"""


def document() -> str:
    """The page."""
    return HEAD + "".join(_room(room) for room in ROOMS if apps.is_installed(room))


def _room(room: str) -> str:
    own = sorted(apps.get_app_config(room).get_models(), key=lambda model: model._meta.db_table)
    tables = [line for model in own for line in _table(model)]
    lines = sorted({line for model in own for line in _relations(model)})
    diagram = "\n".join(["```mermaid", "erDiagram", *(f"  {line}" for line in [*tables, *lines]), "```"])
    told = "\n".join(_told(model) for model in own)
    return f"\n## {room}\n\n{diagram}\n\n| table | what a row is | held by the database |\n|---|---|---|\n{told}\n"


def _table(model: type[models.Model]) -> list[str]:
    columns = [
        f"  {_kind(field)} {field.column}{_mark(field)}" for field in model._meta.local_fields if field.column
    ]
    return [f"{model._meta.db_table} {{", *columns, "}"]


def _kind(field: models.Field[object, object]) -> str:
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    base = getattr(target, "base_field", None)
    name = type(base or target).__name__.removesuffix("Field")
    return f"{name}{'[]' if base else ''}".replace("[]", "_list")


def _mark(field: models.Field[object, object]) -> str:
    marks = [
        mark
        for mark, holds in (
            ("PK", field.primary_key),
            ("FK", isinstance(field, models.ForeignKey)),
            ("UK", field.unique and not field.primary_key),
        )
        if holds
    ]
    empty = ' "may be empty"' if field.null else ""
    return (f" {', '.join(marks)}" if marks else "") + empty


def _relations(model: type[models.Model]) -> list[str]:
    found = []
    for field in model._meta.local_fields:
        if isinstance(field, models.ForeignKey):
            many = "o|" if field.unique else "o{"
            one = "|o" if field.null else "||"
            target = field.related_model._meta.db_table
            found.append(f"{target} {one}--{many} {model._meta.db_table} : {field.name}")
    return found


def _told(model: type[models.Model]) -> str:
    said = (model.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").replace("|", "or")
    own_words = said if not said.startswith(f"{model.__name__}(") else ""
    held = ", ".join(f"`{one.name}`" for one in model._meta.constraints)
    return f"| `{model._meta.db_table}` | {' '.join(own_words.split())} | {held} |"


def main(arguments: list[str], target: Path = DOCUMENT) -> int:
    """Write the page, or with --check say whether it is in step."""
    wanted = document()
    if "--check" not in arguments:
        target.write_text(wanted, encoding="utf-8")
        return 0
    if target.exists() and target.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{target.name} is not in step: python -m tools.data_model", file=sys.stderr)
    return 1


def begin() -> None:
    """Django without services: models are all that is read."""
    for name, value in application_environment(**NOWHERE, kept=make_secrets()).items():  # type: ignore[arg-type]
        os.environ.setdefault(name, value)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()


if __name__ == "__main__":
    begin()
    sys.exit(main(sys.argv[1:]))

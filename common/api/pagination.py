"""Lists by keyset: a page begins after the last row of the one before, so it stays right while rows come and go."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar, cast

from django.core import signing
from django.db.models import Field, Model, Q, QuerySet
from django.utils.translation import gettext as _
from rest_framework.request import Request

from common.errors import ValidationError

DEFAULT_LIMIT, MAX_LIMIT = 25, 100
Row = TypeVar("Row", bound=Model)
Item = TypeVar("Item")


def paginate(
    queryset: QuerySet[Row], request: Request, *, order: tuple[str, ...]
) -> tuple[list[Row], str | None]:
    """A page of `queryset` and the cursor of the next one, None on the last.

    `order` names fields as order_by does and must end in a unique one. Reads `?cursor=` and `?limit=` (1-100).
    ValidationError for either when it is not right.
    """
    limit = page_limit(request)
    signer = signing.Signer(salt=f"cursor:{request.path}:{','.join(order)}")
    after = request.query_params.get("cursor")
    if after is not None:
        queryset = queryset.filter(_after(queryset.model, order, _open(signer, after, len(order))))
    rows = list(queryset.order_by(*order)[: limit + 1])
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], signer.sign_object([_plain(getattr(last, name.lstrip("-"))) for name in order])


def paginate_list(
    items: Sequence[Item], request: Request, *, key: Callable[[Item], str]
) -> tuple[list[Item], str | None]:
    """As paginate, for a short list that is at hand whole; without `limit`, all of it. `key` tells its items apart."""
    signer = signing.Signer(salt=f"cursor:{request.path}:list")
    after = request.query_params.get("cursor")
    rest = list(items)
    if after is not None:
        (last,) = _open(signer, after, 1)
        places = [place for place, item in enumerate(rest) if key(item) == last]
        if not places:  # the item that the page before ended with is gone
            raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's."))
        rest = rest[places[0] + 1 :]
    limit = page_limit(request) if "limit" in request.query_params else len(rest)
    if len(rest) <= limit:
        return rest, None
    return rest[:limit], signer.sign_object([key(rest[limit - 1])])


def page_limit(request: Request) -> int:
    """`?limit=`, 1 to 100. ValidationError otherwise."""
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (
        text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT
    ):
        raise ValidationError.of("limit", "out_of_range", _("Give a whole number from 1 to 100."))
    return int(text)


def _open(signer: signing.Signer, cursor: str, length: int) -> list[Any]:
    try:
        values = signer.unsign_object(cursor)
    except (signing.BadSignature, ValueError) as error:
        raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's.")) from error
    if not isinstance(values, list) or len(values) != length:
        raise ValidationError.of("cursor", "invalid", _("This cursor is not one of this list's."))
    return values


def _after(model: type[Model], order: tuple[str, ...], values: list[Any]) -> Q:
    """Rows that come after `values`: past the first, or equal to it and past the second, and so on."""
    found, equal = Q(), Q()
    for name, value in zip(order, values, strict=True):
        field = name.lstrip("-")
        typed = cast("Field[Any, Any]", model._meta.get_field(field)).to_python(value)
        beyond = Q(**{f"{field}__{'lt' if name.startswith('-') else 'gt'}": typed})
        found |= equal & beyond
        equal &= Q(**{field: typed})
    return found


def _plain(value: Any) -> Any:
    return (
        value.isoformat() if isinstance(value, datetime) else value if isinstance(value, int) else str(value)
    )

"""What staff see of an account and can do to it. Each app registers its part in its `admin` package.

A part names the permission without which it is not shown, looked up or done; the pages ask it of nobody else.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from django import forms
from django.contrib.auth.base_user import AbstractBaseUser

from accounts.models import Account


@dataclass(frozen=True, slots=True)
class Link:
    """A cell that leads somewhere."""

    text: str
    address: str


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; `head` empty: pairs of a name and a value."""

    head: Sequence[Any]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Panel:
    """One part of an account as it is now. `show` answers None where there is nothing to say."""

    name: str
    title: Any
    permission: str
    show: Callable[[Account, datetime], Table | None]
    order: int = 50


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to an account. `tone`: "", "good", "warn" or "bad"; `detail` is one line."""

    at: datetime
    kind: str
    title: str
    detail: str = ""
    by: str = ""
    request_id: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from: the newest `limit` of an account before an instant; or all of one request."""

    name: str
    label: Any
    permission: str
    before: Callable[[Account, datetime, int], Iterable[Event]]
    of_request: Callable[[str], Iterable[tuple[int | None, Event]]] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """An account, and by what of it."""

    account_id: int
    by: str


@dataclass(frozen=True, slots=True)
class Finder:
    """Looks one kind of thing up that a customer may quote; answers nothing for a text that is not of its kind."""

    name: str
    permission: str
    find: Callable[[str], Iterable[Found]]


@dataclass(frozen=True, slots=True)
class Errand:
    """What an act was asked to do. `once` is the form's own id, so that a form sent twice acts once."""

    account: Account
    staff: AbstractBaseUser
    reason: str
    once: UUID
    request_id: str
    now: datetime
    values: dict[str, Any] = field(default_factory=dict)


class ReasonForm(forms.Form):
    """Every act says why. The reason stays on record, so it names nobody."""

    reason = forms.CharField(
        label="Reason",
        min_length=5,
        max_length=200,
        help_text="On record for good, and told to the customer where the act is shown to them. Name no person.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    once = forms.UUIDField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **kwargs})
        self.account = account
        self.order_fields(
            [name for name in self.fields if name not in ("reason", "once")] + ["reason", "once"]
        )


@dataclass(frozen=True, slots=True)
class Act:
    """Something staff do to an account, by a service. `run` answers what was done; a DomainError says why not.

    `offered`: whether it makes sense for this account now. `says`: what will happen, before it is confirmed.
    """

    name: str
    label: str
    permission: str
    run: Callable[[Errand], str]
    says: str
    form: type[ReasonForm] = ReasonForm
    offered: Callable[[Account], bool] = lambda _account: True


Part = TypeVar("Part", Panel, Source, Finder, Act)

panels: dict[str, Panel] = {}
sources: dict[str, Source] = {}
finders: dict[str, Finder] = {}
acts: dict[str, Act] = {}


def register(*parts: Panel | Source | Finder | Act) -> None:
    """Add parts; a name is taken once."""
    books: dict[type, dict[str, Any]] = {Panel: panels, Source: sources, Finder: finders, Act: acts}
    for part in parts:
        book = books[type(part)]
        assert part.name not in book, f"two parts named {part.name}"
        book[part.name] = part


def allowed(staff: Any, book: dict[str, Part]) -> list[Part]:
    """Those of the parts that this member of staff may see or do."""
    return [part for part in book.values() if staff.has_perm(part.permission)]

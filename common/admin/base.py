"""What is shown to staff and changed by nobody here."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import OperationalError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from common.database import answered_within

LONGEST_LIST_S = 5


class ReadOnly(admin.ModelAdmin):
    """Lists and pages without add, change, delete or bulk actions, also for superusers: services change things.

    A list that takes long to sort or search is ended: a large table must not keep the database from customers.
    `of_people`: fields that name somebody, shown to those who may see people.
    """

    of_people: ClassVar[tuple[str, ...]] = ()

    actions = None
    list_per_page = 50
    show_full_result_count = False  # counting a large table takes seconds

    def get_list_display(self, request: HttpRequest) -> list[Any]:
        return [name for name in super().get_list_display(request) if name not in self._hidden(request)]

    def get_exclude(self, request: HttpRequest, obj: models.Model | None = None) -> tuple[str, ...]:
        return (*(super().get_exclude(request, obj) or ()), *self._hidden(request))

    def _hidden(self, request: HttpRequest) -> tuple[str, ...]:
        return () if request.user.has_perm("accounts.view_user") else self.of_people

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:  # noqa: ARG002
        """Only what a list offers to filter by. The stock rule lets an address ask for any column's beginning, also one
        that nobody is shown: a password's hash.
        """
        offered = [one for one in self.get_list_filter(request) if isinstance(one, str)]
        return any(lookup == name or lookup.startswith(f"{name}__") for name in offered)

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """Exactly, and as what each field holds, so that an index finds it.

        The stock search compares upper-case texts, for which it reads the whole table.
        """
        text = search_term.replace("\0", "").strip()
        if not text:
            return queryset, False
        wanted = models.Q(pk__in=[])
        for name in self.get_search_fields(request):
            path = str(name).removeprefix("=")
            value = _as_held(self.model, path, text)
            if value is not None:
                wanted |= models.Q(**{path: value})
        return queryset.filter(wanted), False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, asked for a few seconds at most."""
        try:
            with answered_within(LONGEST_LIST_S):
                answer = super().changelist_view(request, extra_context)
                return answer.render() if hasattr(answer, "render") else answer
        except OperationalError:
            messages.error(
                request,
                "That list took too long and was ended. Look for an account’s number or a request id in it instead.",
            )
            return HttpResponseRedirect(reverse("admin:index"))


def _as_held(model: type[models.Model], path: str, text: str) -> Any:
    """The text as a value of the field at that path; None where it cannot be one."""
    *through, last = path.split("__")
    for part in through:
        related = model._meta.get_field(part).related_model
        assert isinstance(related, type)
        model = related
    field: Any = model._meta.get_field(last)
    field = field.target_field if isinstance(field, models.ForeignKey) else field
    try:
        value = field.to_python(text)
        field.run_validators(value)
    except ValidationError:
        return None
    return value

"""What is shown to staff and changed by nobody here."""

from typing import Any

from django.contrib import admin, messages
from django.db import OperationalError, models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from common.database import answered_within

LONGEST_LIST_S = 5


class ReadOnly(admin.ModelAdmin):
    """Lists and pages without add, change, delete or bulk actions, also for superusers: services change things.

    A list that takes long to sort or search is ended: a large table must not keep the database from customers.
    """

    actions = None
    list_per_page = 50
    show_full_result_count = False  # counting a large table takes seconds

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

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

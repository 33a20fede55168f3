"""What is shown to staff and changed by nobody here."""

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class ReadOnly(admin.ModelAdmin):
    """Lists and pages without add, change, delete or bulk actions, also for superusers: services change things."""

    actions = None
    list_per_page = 50
    show_full_result_count = False  # counting a large table takes seconds

    def has_add_permission(self, request: HttpRequest) -> bool:  # noqa: ARG002
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:  # noqa: ARG002
        return False

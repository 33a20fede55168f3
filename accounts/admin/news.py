"""Staff write news, read it over in both languages, and publish it. What is published is not changed any more."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.models import News, User
from accounts.news import news_publish
from common import clock


@admin.register(News)
class NewsAdmin(admin.ModelAdmin):
    list_display = ("title_en", "audience", "created_at", "published_at", "told", "done_at")
    list_filter = ("audience",)
    fields = (
        "title_en",
        "text_en",
        "title_fr",
        "text_fr",
        "path",
        "audience",
        "published_at",
        "told",
        "done_at",
    )
    readonly_fields = ("published_at", "told", "done_at")
    actions = ("publish",)

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **more: Any) -> forms.Field | None:
        field = super().formfield_for_dbfield(db_field, request, **more)
        if field is not None and db_field.name.startswith("text_"):
            field.help_text = _("Plain text. An empty line begins a paragraph.")
        return field

    def save_model(self, request: HttpRequest, obj: News, form: Any, change: bool) -> None:
        if not change:
            obj.created_at, obj.created_by = clock.now(), _staff(request)
        super().save_model(request, obj, form, change)

    def has_change_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        return super().has_change_permission(request, obj) and not (obj and obj.published_at)

    def has_delete_permission(self, request: HttpRequest, obj: News | None = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.published_at)

    def get_actions(self, request: HttpRequest) -> Any:
        """Without the deletion of several at once, which would not ask about each."""
        return {name: one for name, one in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description=_("Publish: tell those who opted in to news"), permissions=["change"])
    def publish(self, request: HttpRequest, queryset: QuerySet[News]) -> None:
        chosen = list(queryset.filter(published_at=None))
        for one in chosen:
            news_publish(news_id=one.pk, actor=_staff(request), now=clock.now())
        said = ngettext("%(count)s is published.", "%(count)s are published.", len(chosen))
        messages.success(request, said % {"count": len(chosen)})


def _staff(request: HttpRequest) -> User:
    assert isinstance(request.user, User), "only staff get here"
    return request.user

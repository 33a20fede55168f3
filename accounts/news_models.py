"""News of features, as staff write them."""

import uuid
from typing import ClassVar

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

own_path = RegexValidator(r"^/(?!/)[\x21-\x7e]*$", _("A path of this site, from its first / on."))


class NewsAudience(models.TextChoices):
    EVERYBODY = "everybody", _("everybody")
    PERSONS = "persons", _("persons")
    ORGANISATIONS = "organisations", _("people of organisations")


class News(models.Model):
    """One piece of news, told once to each person of its audience who opted in to news, by the ways they chose.

    Written, then published; from then on its words stay as they are. Telling goes through people in the order of
    their ids: `reached_id` is how far it has come, `done_at` when it came to the end. Who opts in later is not told
    of what was published before.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    title_en = models.CharField(_("title in English"), max_length=120)
    title_fr = models.CharField(_("title in French"), max_length=120)
    text_en = models.TextField(_("text in English"), max_length=4000)
    text_fr = models.TextField(_("text in French"), max_length=4000)
    path = models.CharField(_("where to see it"), max_length=200, blank=True, validators=[own_path])
    audience = models.CharField(
        _("audience"), max_length=13, choices=NewsAudience.choices, default=NewsAudience.EVERYBODY
    )
    created_at = models.DateTimeField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    published_at = models.DateTimeField(null=True)
    reached_id = models.BigIntegerField(default=0)
    told = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("piece of news")
        verbose_name_plural = _("news")
        ordering: ClassVar = ["-created_at"]
        indexes: ClassVar = [
            models.Index(
                fields=["published_at"],
                condition=Q(published_at__isnull=False, done_at__isnull=True),
                name="news_to_tell",
            ),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(published_at__isnull=False) | Q(reached_id=0, told=0, done_at__isnull=True),
                name="news_told_after_publishing",
            ),
        ]

    def __str__(self) -> str:
        return self.title_en

"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver, path

from showcase import api, b2b, generation_views, pages, persona_pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("chat/", pages.chat, name="chat"),
    path("personas/", persona_pages.personas_page, name="personas-page"),
    path(
        "personas/<uuid:persona_id>/restore/", persona_pages.persona_restore_page, name="persona-restore-page"
    ),
    path("personas/<uuid:persona_id>/delete/", persona_pages.persona_delete_page, name="persona-delete-page"),
    path("v1/chat/messages", api.MessagesView.as_view(), name="chat-messages"),
    path("v1/b2b/astrology/weekly-by-sign", b2b.WeeklyBySignView.as_view(), name="b2b-weekly-by-sign"),
    path("v1/b2b/generations", generation_views.GenerationsView.as_view(), name="b2b-generations"),
    path(
        "v1/b2b/generations/<uuid:generation_id>",
        generation_views.GenerationView.as_view(),
        name="b2b-generation",
    ),
    path(
        "v1/b2b/generations/<uuid:generation_id>/results/<int:number>",
        generation_views.GenerationResultView.as_view(),
        name="b2b-generation-result",
    ),
    path("v1/personas", api.PersonasView.as_view(), name="personas"),
    path("v1/personas/<uuid:persona_id>", api.PersonaView.as_view(), name="persona"),
    path("v1/personas/<uuid:persona_id>/restore", api.PersonaRestoreView.as_view(), name="persona-restore"),
    path("v1/personas/<uuid:persona_id>/export", api.PersonaExportView.as_view(), name="persona-export"),
]

"""Addresses of this app: full paths, API (`v1/…`) and pages."""

from django.urls import URLPattern, URLResolver, path

from showcase import api, pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("chat/", pages.chat, name="chat"),
    path("v1/chat/messages", api.MessagesView.as_view(), name="chat-messages"),
    path("v1/personas", api.PersonasView.as_view(), name="personas"),
    path("v1/personas/<uuid:persona_id>", api.PersonaView.as_view(), name="persona"),
    path("v1/personas/<uuid:persona_id>/export", api.PersonaExportView.as_view(), name="persona-export"),
]

"""The caller's inbox."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.enums import NotificationKind
from accounts.inbox import inbox, notification_json
from accounts.notifications import notification_read
from accounts.selectors import person_of
from common import clock
from common.api import ApiSerializer, ApiView, listed, paginate


class NoBody(ApiSerializer):
    """Nothing has to be said."""


class NotificationShape(serializers.Serializer[object]):
    id = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=NotificationKind.choices)
    title = serializers.CharField()
    text = serializers.CharField(help_text="One or more sentences, in the caller's language.")
    url = serializers.CharField(allow_null=True, help_text="A path of this site where something can be done.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NotificationsView(ApiView):
    """What the caller was told in the app."""

    @extend_schema(operation_id="account_notifications", responses=NotificationShape(many=True))
    def get(self, request: Request) -> Response:
        """Newest first."""
        rows, cursor = paginate(inbox(person_of(request)), request, order=("-created_at", "-id"))
        return listed([notification_json(row) for row in rows], cursor)


class NotificationReadView(ApiView):
    """One of them."""

    @extend_schema(operation_id="account_notification_read", request=NoBody, responses=NotificationShape)
    def post(self, request: Request, notification_id: UUID) -> Response:
        """Mark it as read. Read before: nothing changes."""
        self.body(NoBody)
        one = notification_read(user=person_of(request), notification_id=notification_id, now=clock.now())
        return Response(notification_json(one))

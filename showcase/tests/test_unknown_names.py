"""What the metered operations do not describe is refused, and counts nothing."""

import pytest
from django.db.models import Sum
from rest_framework.test import APIClient

from quotas.models import Bucket, UsageRecord

pytestmark = pytest.mark.req("OP-5")


@pytest.mark.parametrize(
    "path", ["/v1/chat/messages", "/v1/personas/00000000-0000-4000-8000-000000000000/export"]
)
def test_a_field_nobody_described(caller: APIClient, path: str) -> None:
    answer = caller.post(path, {"text": "Where is Venus?", "surprise": 1}, "json")
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "validation_error")
    told = {one["field"]: one["code"] for one in answer.json()["error"]["details"]["fields"]}
    assert told["surprise"] == "unknown_field"
    counted = Bucket.objects.aggregate(used=Sum("used_units"), reserved=Sum("reserved_units"))
    assert counted in ({"used": 0, "reserved": 0}, {"used": None, "reserved": None})
    assert not UsageRecord.objects.exists()

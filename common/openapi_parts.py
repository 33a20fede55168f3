"""The pieces that every operation of the API's description shares."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

HEADERS: dict[str, Any] = {
    "X-Request-Id": {
        "description": "Names this answer in our logs. Equals `request_id` in the body.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{8,64}$"},
    },
    "RateLimit-Policy": {
        "description": 'Limits that apply: `"name";q=quota;w=window in seconds`, separated by commas.',
        "schema": {"type": "string"},
    },
    "RateLimit": {
        "description": 'What is left of each: `"name";r=remaining;t=seconds until it is anew`.',
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds after which another try makes sense.",
        "schema": {"type": "integer", "minimum": 1},
    },
    "Idempotent-Replayed": {
        "description": "`true` on a kept answer that is given again.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "How to say who you are.", "schema": {"type": "string"}},
}
META = {
    "type": "object",
    "properties": {"request_id": {"type": "string"}},
    "required": ["request_id"],
}
LIST_META = {
    "type": "object",
    "properties": {
        "request_id": {"type": "string"},
        "next_cursor": {"type": ["string", "null"], "description": "Send as `?cursor=`. Null: no more."},
    },
    "required": ["request_id", "next_cursor"],
}
FIELD_ERROR = {
    "type": "object",
    "properties": {
        "field": {"type": "string", "description": "A dotted path into the body, or a parameter's name."},
        "code": {"type": "string"},
        "message": {"type": "string"},
    },
    "required": ["field", "code", "message"],
}
ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string", "description": "For people, in their language."},
                "details": {
                    "type": "object",
                    "description": "For programs; what it holds goes with the code.",
                    "properties": {"fields": {"type": "array", "items": FIELD_ERROR}},
                },
                "request_id": {"type": "string"},
            },
            "required": ["code", "message", "details", "request_id"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}

PAGE = [
    OpenApiParameter("cursor", str, description="`meta.next_cursor` of the page before."),
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 100},
        description="How many. 25 when not said; short lists come whole.",
    ),
]

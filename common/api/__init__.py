"""The HTTP API's habits, one place for each: envelopes, strict JSON, errors, pages of lists, the base view."""

from common.api.envelope import error_response, is_api_path, listed
from common.api.errors import exception_handler, to_domain_error
from common.api.fields import (
    ApiSerializer,
    StrictBooleanField,
    StrictCharField,
    StrictChoiceField,
    StrictIntegerField,
)
from common.api.pagination import paginate, paginate_list
from common.api.parsing import StrictJsonParser
from common.api.rendering import EnvelopeRenderer
from common.api.views import ApiView

__all__ = [
    "ApiSerializer",
    "ApiView",
    "EnvelopeRenderer",
    "StrictBooleanField",
    "StrictCharField",
    "StrictChoiceField",
    "StrictIntegerField",
    "StrictJsonParser",
    "error_response",
    "exception_handler",
    "is_api_path",
    "listed",
    "paginate",
    "paginate_list",
    "to_domain_error",
]

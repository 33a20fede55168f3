"""What every form that changes something carries: a key by which a second press is known as the same one."""

import re
import uuid

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

KEY = re.compile(r"[0-9a-f]{32}")


def new_key() -> str:
    return uuid.uuid4().hex


def key_of(request: HttpRequest) -> str:
    """The form's key; a fresh one when it has none of ours, so that the request stands for itself."""
    given = request.POST.get("key", "")
    return given if KEY.fullmatch(given) else new_key()


def safe_next(request: HttpRequest, default: str) -> str:
    """`?next=` when it stays on this site."""
    target = request.GET.get("next", "")
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(target, allowed_hosts=here, require_https=request.is_secure()):
        return target
    return default

"""What every form that changes something carries: a key by which a second press is known as the same one."""

import re
import uuid
from collections.abc import Callable
from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.utils.http import url_has_allowed_host_and_scheme

from common import idempotency

KEY = re.compile(r"[0-9a-f]{32}")
OTHER_WAITS_S = 3


def new_key() -> str:
    return uuid.uuid4().hex


def key_of(request: HttpRequest) -> str:
    """The form's key; a fresh one when it has none of ours, so that the request stands for itself."""
    given = request.POST.get("key", "")
    return given if KEY.fullmatch(given) else new_key()


def done_once(request: HttpRequest, produce: Callable[[], HttpResponse], *asked: str) -> HttpResponse:
    """`produce()`, once for the form's key and what it asks for; a second press gets the first one's answer.

    For what has no natural key of its own. `produce` raises where nothing was done: then it may be asked again.
    """
    form_key = request.POST.get("key", "")
    if not KEY.fullmatch(form_key):
        return produce()
    wish = sha256("\0".join(asked).encode(errors="surrogatepass")).hexdigest()
    call = idempotency.Call.of(
        scope=f"page:{request.user.pk}",
        key=f"{form_key}:{wish}",
        method="POST",
        path=request.path,
        query="",
        body=b"",
    )
    return idempotency.run_once(call, produce, wait_s=OTHER_WAITS_S)


def safe_next(request: HttpRequest, default: str) -> str:
    """`?next=` when it stays on this site."""
    target = request.GET.get("next", "")
    here = {request.get_host()}
    if url_has_allowed_host_and_scheme(target, allowed_hosts=here, require_https=request.is_secure()):
        return target
    return default

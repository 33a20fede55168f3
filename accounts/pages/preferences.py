"""The one form that is on every page: language, theme and time zone."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from accounts.models import User
from accounts.preferences import PREFERENCE_FIELDS, remember, valid_preferences


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep what was chosen, in the browser and for the person when signed in, and go back to where they were."""
    chosen = valid_preferences(
        {name: request.POST[name] for name in PREFERENCE_FIELDS if name in request.POST}
    )
    if chosen and request.user.is_authenticated:
        _keep_for(request.user, chosen)
    response = HttpResponseRedirect(_back(request))
    remember(response, chosen)
    return response


def _keep_for(user: User, chosen: dict[str, str]) -> None:
    for name, value in chosen.items():
        setattr(user, name, value)
    user.save(update_fields=list(chosen))


def own_address(request: HttpRequest, target: str) -> str:
    """The target if it is on this site, else nothing."""
    here = {request.get_host()}
    own = url_has_allowed_host_and_scheme(target, allowed_hosts=here, require_https=request.is_secure())
    return target if own else ""


def _back(request: HttpRequest) -> str:
    return own_address(request, request.POST.get("next", "")) or "/"

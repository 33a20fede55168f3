"""The mails that were sent, as a page. Served only with DEBUG, and only where they are kept as files."""

from csp.decorators import csp
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from accounts.mail_files import mail_directory, mail_kept, mails_kept

ONLY_STYLE = {
    "default-src": ["'none'"],
    "style-src": ["'unsafe-inline'"],
    "frame-ancestors": ["'self'"],
    "sandbox": [],
}


@require_safe
def mails(request: HttpRequest) -> HttpResponse:
    """The newest first."""
    context = {"mails": mails_kept(), "directory": mail_directory()}
    return render(request, "pages/mails.html", context)


@require_safe
def mail(request: HttpRequest, name: str) -> HttpResponse:
    """One mail: its headers, how it looks, and its text."""
    return render(request, "pages/mail.html", {"mail": mail_kept(name)})


@require_safe
@xframe_options_sameorigin
@csp(ONLY_STYLE)  # type: ignore[arg-type]  # its types know of no view with a part of its address
def mail_html(_request: HttpRequest, name: str) -> HttpResponse:
    """The mail as a mail program shows it: with its own style, without script, without anything from elsewhere."""
    return HttpResponse(mail_kept(name).html)

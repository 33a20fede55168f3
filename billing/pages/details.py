"""Billing details: what stands on invoices, and the tax numbers."""

from dataclasses import asdict
from typing import Any

from babel import Locale
from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.selectors import account_of
from billing.gateways.values import AddressState
from billing.pages.access import signed_in
from billing.pages.forms import key_of, new_key
from billing.services import (
    BillingDetails,
    billing_details,
    billing_details_set,
    tax_id_add,
    tax_id_remove,
)
from billing.services.details import TAX_ID_TYPES
from common.errors import ValidationError
from common.ratelimit import ratelimited

# Codes of the registry that are no country: unions, outlying groups, tests.
NO_COUNTRY = frozenset({"CQ", "EU", "EZ", "QO", "UN", "XA", "XB", "ZZ"})
ADDRESS = ("line1", "line2", "postal_code", "city", "state", "country")
NEEDED = ("line1", "city", "country")  # of an address, when there is one
TAX_ID_NAMES = {
    "eu_vat": gettext_lazy("VAT number of the European Union"),
    "gb_vat": gettext_lazy("VAT number of the United Kingdom"),
    "ch_vat": gettext_lazy("VAT number of Switzerland"),
    "no_vat": gettext_lazy("VAT number of Norway"),
    "us_ein": gettext_lazy("EIN of the United States"),
    "ca_bn": gettext_lazy("Business number of Canada"),
    "au_abn": gettext_lazy("ABN of Australia"),
}


def countries() -> list[tuple[str, str]]:
    """Codes and names in the reader's language, in its alphabetical order."""
    names = Locale.parse((get_language() or "en")[:2]).territories
    known = [(code, name) for code, name in names.items() if len(code) == 2 and code.isalpha()]  # noqa: PLR2004
    return sorted(
        ((code, name) for code, name in known if code not in NO_COUNTRY), key=lambda one: _sorted_as(one[1])
    )


def _sorted_as(name: str) -> str:
    """Accents do not count: É stands with E."""
    import unicodedata

    return unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()


def _text(label: Any, most: int, autocomplete: str, *, required: bool = False) -> forms.CharField:
    widget = forms.TextInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, max_length=most, required=required, widget=widget)


class DetailsForm(forms.Form):
    """What Stripe prints on an invoice. An address is whole or absent."""

    name = _text(gettext_lazy("Name or company"), 150, "organization", required=True)
    email = forms.EmailField(
        label=gettext_lazy("Email for invoices"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )
    line1 = _text(gettext_lazy("Street and number"), 200, "address-line1")
    line2 = _text(gettext_lazy("Building, floor, door"), 200, "address-line2")
    postal_code = _text(gettext_lazy("Postal code"), 20, "postal-code")
    city = _text(gettext_lazy("Town"), 100, "address-level2")
    state = _text(gettext_lazy("State or province"), 100, "address-level1")
    country = forms.ChoiceField(
        label=gettext_lazy("Country"), required=False, widget=forms.Select(attrs={"autocomplete": "country"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["country"].choices = [("", "—"), *countries()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if any(cleaned.get(name) for name in ADDRESS):
            for name in NEEDED:
                if not cleaned.get(name) and name not in self.errors:
                    self.add_error(name, _("An address needs this too."))
        return cleaned

    def address(self) -> AddressState | None:
        """None when nothing of one was given."""
        parts = {name: str(self.cleaned_data.get(name, "")) for name in ADDRESS}
        return AddressState(**parts) if any(parts.values()) else None


class TaxIdForm(forms.Form):
    kind = forms.ChoiceField(
        label=gettext_lazy("Kind"), choices=[(kind, TAX_ID_NAMES[kind]) for kind in TAX_ID_TYPES]
    )
    value = forms.CharField(
        label=gettext_lazy("Number"),
        max_length=40,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=gettext_lazy("With its letters, for example FR12345678901."),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@signed_in
@ratelimited("global", "user")
def details(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    if request.method != "POST":
        return _page(request, billing_details(account=account))
    form = DetailsForm(request.POST)
    if not form.is_valid():
        return _page(request, billing_details(account=account), form=form)
    billing_details_set(
        account=account,
        name=form.cleaned_data["name"],
        email=form.cleaned_data["email"],
        address=form.address(),
    )
    messages.success(request, _("Saved. Invoices from now on have these details."))
    return redirect("billing_details")


@require_POST
@signed_in
@ratelimited("global", "user")
def tax_id_new(request: HttpRequest) -> HttpResponse:
    account = account_of(request)
    form = TaxIdForm(request.POST)
    if form.is_valid():
        try:
            tax_id_add(account=account, **form.cleaned_data, key=key_of(request))
        except ValidationError as error:
            form.add_error("value", error.details["fields"][0]["message"])
        else:
            messages.success(request, _("The tax number was added. It stands on invoices from now on."))
            return redirect("billing_details")
    return _page(request, billing_details(account=account), tax_form=form)


@require_POST
@signed_in
@ratelimited("global", "user")
def tax_id_drop(request: HttpRequest, tax_id: str) -> HttpResponse:
    tax_id_remove(account=account_of(request), tax_id=tax_id)
    messages.success(request, _("The tax number was removed. Invoices that have it keep it."))
    return redirect("billing_details")


def _page(
    request: HttpRequest,
    known: BillingDetails,
    *,
    form: DetailsForm | None = None,
    tax_form: TaxIdForm | None = None,
) -> HttpResponse:
    address = asdict(known.address) if known.address else {}
    context = {
        "form": form or DetailsForm(initial={"name": known.name, "email": known.email, **address}),
        "tax_form": tax_form or TaxIdForm(),
        "tax_ids": [
            {
                "id": one.id,
                "name": TAX_ID_NAMES.get(one.type, one.type),
                "value": one.value,
                "state": one.verification,
            }
            for one in known.tax_ids
        ],
        "form_key": new_key(),
        "crumbs": [(_("Billing"), reverse("account_billing")), (_("Billing details"), "")],
    }
    return render(request, "pages/billing_details.html", context, status=422 if form or tax_form else 200)

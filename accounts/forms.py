"""allauth's forms with our labels: one word for one thing, on these pages as on all others."""

from typing import Any

from allauth.account import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

EMAIL, PASSWORD = _("Email"), _("Password")
NEW, AGAIN = _("New password"), _("New password, once more")
ALLAUTHS = (_("Authenticator code"), _("Forgot your password?"))
"""Texts of allauth's own that our French replaces: theirs has straight quotes and wide spaces."""


class Labelled:
    """Base before one of allauth's forms: `labels` by the names of its fields. What a label says no placeholder repeats."""

    labels: dict[str, Promise | str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fields: dict[str, Any] = self.fields  # type: ignore[attr-defined]
        for name, label in self.labels.items():
            if name in fields:
                fields[name].label = label
                fields[name].widget.attrs.pop("placeholder", None)


class LoginForm(Labelled, forms.LoginForm):
    labels = {"login": EMAIL, "password": PASSWORD, "remember": _("Keep me signed in")}


class SignupForm(Labelled, forms.SignupForm):
    labels = {"email": EMAIL, "password1": PASSWORD}


class AddEmailForm(Labelled, forms.AddEmailForm):
    labels = {"email": EMAIL}


class ChangePasswordForm(Labelled, forms.ChangePasswordForm):
    labels = {"oldpassword": _("Current password"), "password1": NEW, "password2": AGAIN}


class SetPasswordForm(Labelled, forms.SetPasswordForm):
    labels = {"password1": NEW, "password2": AGAIN}


class ResetPasswordForm(Labelled, forms.ResetPasswordForm):
    labels = {"email": EMAIL}


class ResetPasswordKeyForm(Labelled, forms.ResetPasswordKeyForm):
    labels = {"password1": NEW, "password2": AGAIN}


class ReauthenticateForm(Labelled, forms.ReauthenticateForm):
    labels = {"password": PASSWORD}

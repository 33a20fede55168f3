"""Support raises a limit of one account until an instant, and takes that back."""

from typing import Any

from django import forms

from accounts.admin.story import Act, Errand, ReasonForm, register
from accounts.models import Account
from billing.services.overrides import limit_raise, limit_raise_end
from common import clock
from common.formats import number_text
from quotas.overrides import overrides_of
from quotas.selectors import quota_status
from quotas.values import MAX_UNITS


def _named(metric: str, window: str) -> str:
    return f"{metric}/{window}"


class RaiseForm(ReasonForm):
    limit = forms.ChoiceField(label="Limit")
    limit_units = forms.IntegerField(
        label="Allow in all",
        min_value=1,
        max_value=MAX_UNITS,
        help_text="The whole limit, not what is added. What is used already counts.",
    )
    until = forms.DateTimeField(
        label="Until",
        help_text="In your own time zone. Then what stood before holds again, by itself.",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
    )

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        choices = self.fields["limit"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [
            (_named(one.metric, one.window), f"{one.metric} per {one.window}: {number_text(one.limit)} now")
            for one in quota_status(account_id=account.pk)
            if one.limit is not None
        ]


def raise_limit(errand: Errand) -> str:
    metric, window = errand.values["limit"].split("/")
    given = limit_raise(
        account=errand.account,
        metric=metric,
        window=window,
        limit_units=errand.values["limit_units"],
        until=errand.values["until"],
        reason=errand.reason,
        actor=errand.staff,
        request_id=f"support:{errand.once}",
        now=errand.now,
    )
    return f"{metric} per {window}: {given.limit_units} until {given.valid_until:%Y-%m-%d %H:%M} UTC."


class EndForm(ReasonForm):
    limit = forms.ChoiceField(label="Raised limit")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, account=account, **kwargs)
        choices = self.fields["limit"]
        assert isinstance(choices, forms.ChoiceField)
        choices.choices = [
            (
                _named(one.metric.code, one.window),
                f"{one.metric.code} per {one.window}: {one.limit_units} until {one.valid_until:%Y-%m-%d %H:%M} UTC",
            )
            for one in overrides_of(account.pk, at=clock.now())
        ]


def end_limit(errand: Errand) -> str:
    metric, window = errand.values["limit"].split("/")
    limit_raise_end(
        account=errand.account,
        metric=metric,
        window=window,
        reason=errand.reason,
        actor=errand.staff,
        now=errand.now,
    )
    return f"{metric} per {window} is as the plan or contract has it again."


register(
    Act(
        "raise-limit",
        "Raise a limit",
        "accounts.override_limit",
        raise_limit,
        says="The next call already has more room. The customer is told, with the reason, and sees until when. A plan or "
        "contract that comes to allow as much ends it.",
        form=RaiseForm,
        offered=lambda account: any(one.limit is not None for one in quota_status(account_id=account.pk)),
    ),
    Act(
        "end-raised-limit",
        "Take a raised limit back",
        "accounts.override_limit",
        end_limit,
        says="From the next call on, what the plan or contract says holds again. What was used stays counted.",
        form=EndForm,
        offered=lambda account: overrides_of(account.pk, at=clock.now()).exists(),
    ),
)

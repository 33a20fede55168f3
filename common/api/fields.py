"""Serializers that take JSON's types at their word: no number is read out of a string, none from a boolean."""

from collections.abc import Mapping
from typing import Any, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail

from common.api.naming import UNKNOWN_FIELD

MAX_BIGINT = 2**63 - 1


class StrictIntegerField(serializers.IntegerField):
    """A JSON integer that fits a bigint."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_value", MAX_BIGINT)
        kwargs.setdefault("min_value", -MAX_BIGINT - 1)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> int:
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return data


class StrictBooleanField(serializers.BooleanField):
    """JSON's true or false."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class StrictCharField(serializers.CharField):
    """A JSON string."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictChoiceField(serializers.ChoiceField):
    """A JSON string out of a list."""

    def to_internal_value(self, data: Any) -> Any:
        if not isinstance(data, str):
            self.fail("invalid_choice", input=data)
        return super().to_internal_value(data)


class ApiSerializer(serializers.Serializer[Any]):
    """Base of request bodies: a name it does not know is an error, not silence about a typing mistake."""

    default_error_messages = {"unknown": _("There is no such field."), "invalid": _("Give an object.")}

    def to_internal_value(self, data: Any) -> Any:
        """Whatever is wrong is told at once: fields that do not fit, and those that nobody knows."""
        names = data if isinstance(data, Mapping) else ()
        told = ErrorDetail(str(self.error_messages["unknown"]), code=UNKNOWN_FIELD)
        wrong: dict[str, Any] = {name: [told] for name in names if name not in self.fields}
        try:
            known = super().to_internal_value(data)
        except serializers.ValidationError as error:
            found = cast("dict[str, Any]", error.detail)
            raise serializers.ValidationError(found | wrong) from error
        if wrong:
            raise serializers.ValidationError(wrong)
        return known

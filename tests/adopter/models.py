"""What is left of the adopter's table once its columns of limits are gone."""

from django.db import models


class Customer(models.Model):
    """Somebody the adopter sells to, who has an account here."""

    account = models.OneToOneField("accounts.Account", on_delete=models.CASCADE)

    def __str__(self) -> str:
        return str(self.pk)

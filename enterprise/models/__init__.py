"""What organisations have: keys, invitations, contracts and the invoices of their overage."""

from enterprise.models.contracts import Contract, ContractLimit, ContractTerms
from enterprise.models.credentials import Credential
from enterprise.models.invoices import PeriodInvoice, PeriodInvoiceLine
from enterprise.models.members import Closing, Invitation

__all__ = [
    "Closing",
    "Contract",
    "ContractLimit",
    "ContractTerms",
    "Credential",
    "Invitation",
    "PeriodInvoice",
    "PeriodInvoiceLine",
]

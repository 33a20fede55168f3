"""What billing does. Keyword-only; errors are those of billing.errors."""

from billing.selectors.credits import spent_minor
from billing.services.attempts import PlanChangeResult
from billing.services.awaiting import PaymentAction, action_of, change_follow, change_replace
from billing.services.cards import (
    SavedCard,
    card_setup_begin,
    card_setup_finish,
    card_setup_get,
    card_visit_begin,
    card_visit_finish,
)
from billing.services.catalog import catalog_load, catalog_sync
from billing.services.changes import plan_change_request
from billing.services.checkout import Addresses, Visit, checkout_begin
from billing.services.converge import subscription_converge, subscription_refresh
from billing.services.customers import (
    customer_ensure,
    payment_method_add,
    payment_method_make_default,
    payment_method_remove,
    payment_methods_list,
    subscription_card_keep,
)
from billing.services.details import (
    BillingDetails,
    billing_details,
    billing_details_set,
    billing_email_follow,
    tax_id_add,
    tax_id_remove,
)
from billing.services.dunning import overdue_apply
from billing.services.endings import (
    plan_change_undo,
    subscription_cancel,
    subscription_end,
    subscription_resume,
)
from billing.services.invoices import invoice_detail, invoice_get, invoice_pdf_url, invoices_list
from billing.services.overage import (
    Spend,
    overage_affordable,
    overage_terms,
    spend_of,
    spends_begun,
    usage_spend,
)
from billing.services.overage_reversals import overage_charge_reverse, spend_cancel, spend_reverse
from billing.services.overage_sweep import overage_charges_sweep
from billing.services.payments import invoice_pay, invoice_payments_sweep
from billing.services.plan_credits import plan_credits_after, plan_credits_ensure, plan_credits_sweep
from billing.services.preview import Preview, plan_change_preview, start_preview
from billing.services.refunds import invoice_refund, refunds_sweep
from billing.services.spend_caps import spend_cap_set
from billing.services.starts import account_welcome, subscription_start
from billing.services.stored import stored_check, stored_fit
from billing.services.sweep import plan_changes_sweep
from billing.services.upcoming import NextCharge, next_charge, next_charge_at, next_invoice
from billing.services.waiving import invoice_is_waived, subscription_has_ended
from billing.services.withdrawals import (
    WithdrawalOffer,
    withdrawal_make,
    withdrawal_offer,
    withdrawal_until,
    withdrawals_sweep,
)

__all__ = [
    "Addresses",
    "BillingDetails",
    "NextCharge",
    "PaymentAction",
    "PlanChangeResult",
    "Preview",
    "SavedCard",
    "Spend",
    "Visit",
    "WithdrawalOffer",
    "account_welcome",
    "action_of",
    "billing_details",
    "billing_details_set",
    "billing_email_follow",
    "card_setup_begin",
    "card_setup_finish",
    "card_setup_get",
    "card_visit_begin",
    "card_visit_finish",
    "catalog_load",
    "catalog_sync",
    "change_follow",
    "change_replace",
    "checkout_begin",
    "customer_ensure",
    "invoice_detail",
    "invoice_get",
    "invoice_is_waived",
    "invoice_pay",
    "invoice_payments_sweep",
    "invoice_pdf_url",
    "invoice_refund",
    "invoices_list",
    "next_charge",
    "next_charge_at",
    "next_invoice",
    "overage_affordable",
    "overage_charge_reverse",
    "overage_charges_sweep",
    "overage_terms",
    "overdue_apply",
    "payment_method_add",
    "payment_method_make_default",
    "payment_method_remove",
    "payment_methods_list",
    "plan_change_preview",
    "plan_change_request",
    "plan_change_undo",
    "plan_changes_sweep",
    "plan_credits_after",
    "plan_credits_ensure",
    "plan_credits_sweep",
    "refunds_sweep",
    "spend_cancel",
    "spend_cap_set",
    "spend_of",
    "spend_reverse",
    "spends_begun",
    "spent_minor",
    "start_preview",
    "stored_check",
    "stored_fit",
    "subscription_cancel",
    "subscription_card_keep",
    "subscription_converge",
    "subscription_end",
    "subscription_has_ended",
    "subscription_refresh",
    "subscription_resume",
    "subscription_start",
    "tax_id_add",
    "tax_id_remove",
    "usage_spend",
    "withdrawal_make",
    "withdrawal_offer",
    "withdrawal_until",
    "withdrawals_sweep",
]

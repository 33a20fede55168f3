"""The account whose key is used."""

from sandbox.stripe.errors import missing
from sandbox.stripe.params import Params
from sandbox.stripe.routing import route
from sandbox.stripe.store import Object, Tx

ACCOUNT_ID = "acct_1PalierSandbox0000"
BIRTH = 1_577_836_800
NO_REQUIREMENTS: Object = {
    "alternatives": [],
    "current_deadline": None,
    "currently_due": [],
    "disabled_reason": None,
    "errors": [],
    "eventually_due": [],
    "past_due": [],
    "pending_verification": [],
}


def account() -> Object:
    return {
        "id": ACCOUNT_ID,
        "object": "account",
        "business_profile": _profile(),
        "business_type": "company",
        "capabilities": {"card_payments": "active", "transfers": "active"},
        "charges_enabled": True,
        "controller": {"type": "account"},
        "country": "FR",
        "created": BIRTH,
        "default_currency": "eur",
        "details_submitted": True,
        "email": "sandbox@palier.test",
        "external_accounts": {
            "object": "list",
            "data": [],
            "has_more": False,
            "url": f"/v1/accounts/{ACCOUNT_ID}/external_accounts",
        },
        "future_requirements": NO_REQUIREMENTS,
        "metadata": {},
        "payouts_enabled": True,
        "requirements": NO_REQUIREMENTS,
        "settings": _settings(),
        "tos_acceptance": {"date": BIRTH, "ip": None, "user_agent": None},
        "type": "standard",
    }


def _profile() -> Object:
    return {
        "annual_revenue": None,
        "estimated_worker_count": None,
        "mcc": "5734",
        "minority_owned_business_designation": None,
        "name": "Palier (sandbox)",
        "product_description": None,
        "support_address": None,
        "support_email": None,
        "support_phone": None,
        "support_url": None,
        "url": None,
    }


def _settings() -> Object:
    return {
        "bacs_debit_payments": {"display_name": None, "service_user_number": None},
        "branding": {"icon": None, "logo": None, "primary_color": None, "secondary_color": None},
        "card_issuing": {"tos_acceptance": {"date": None, "ip": None}},
        "card_payments": {
            "decline_on": {"avs_failure": False, "cvc_failure": False},
            "statement_descriptor_prefix": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "dashboard": {"display_name": "Palier (sandbox)", "timezone": "Etc/UTC"},
        "invoices": {"default_account_tax_ids": None, "hosted_payment_method_save": "offer"},
        "payments": {
            "statement_descriptor": "PALIER",
            "statement_descriptor_kana": None,
            "statement_descriptor_kanji": None,
            "statement_descriptor_prefix_kana": None,
            "statement_descriptor_prefix_kanji": None,
        },
        "payouts": {
            "debit_negative_balances": True,
            "schedule": {"delay_days": 2, "interval": "daily"},
            "statement_descriptor": None,
        },
        "sepa_debit_payments": {},
    }


@route("GET", "/v1/account", "AccountRetrieveCurrentParams")
def retrieve_current(tx: Tx, params: Params) -> Object:
    return account()


@route("GET", "/v1/accounts/<account_id>", "AccountRetrieveParams")
def retrieve(tx: Tx, params: Params, account_id: str) -> Object:
    if account_id != ACCOUNT_ID:
        raise missing("account", account_id)
    return account()

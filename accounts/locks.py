"""Row locks, taken in one order everywhere: account, then subscription, then buckets, then wallets."""

from accounts.models import Account
from common.locks import lock_in_transaction


def lock_account(account_id: int) -> Account:
    """The account, locked until the transaction ends: what changes plan or limits of one account takes turns.

    FOR NO KEY UPDATE, so that rows that only refer to the account can be written meanwhile.
    """
    return Account.objects.select_for_update(no_key=True).get(pk=account_id)


def lock_token_family(family: str) -> None:
    """Take turns with whoever else uses a refresh token of the same sign-in, until the transaction ends."""
    lock_in_transaction(f"token_family:{family}")

"""What the meter keeps. The engine writes buckets, records, keys, reservations and days; only it does.

Every table carries the account's id, so that all of one account's rows can live on one shard.
"""

from quotas.models.counting import Bucket, OperationKey, Reservation, UsageDay, UsageRecord
from quotas.models.months import DetachedMonth
from quotas.models.refused import RefusedCall
from quotas.models.rights import Entitlement, FeatureGrant, Metric, RightsVersion
from quotas.models.wallets import Grant, LedgerEntry, Wallet

__all__ = [
    "Bucket",
    "DetachedMonth",
    "Entitlement",
    "FeatureGrant",
    "Grant",
    "LedgerEntry",
    "Metric",
    "OperationKey",
    "RefusedCall",
    "Reservation",
    "RightsVersion",
    "UsageDay",
    "UsageRecord",
    "Wallet",
]

"""What each environment variable means. Names, types and defaults are read off the settings themselves, so that the
table in docs/environment.md cannot say otherwise; a variable without a meaning here fails `make check`.
"""

from __future__ import annotations

# Section -> variable -> meaning. The order is the table's.
MEANINGS: dict[str, dict[str, str]] = {
    "The installation": {
        "SECRET_KEY": "Signs sessions, quotes and links. At least 32 random characters; see Changing keys in deploy.md.",
        "SECRET_KEY_FALLBACKS": "Former values of it, with commas: what they signed stays good meanwhile.",
        "BASE_URL": "The address people use, with the scheme. `https://…` turns on secure cookies, HSTS and the redirect.",
        "ALLOWED_HOSTS": "Hosts that are answered, comma-separated. `*` is refused.",
        "CSRF_TRUSTED_ORIGINS": "Origins whose forms are accepted, comma-separated.",
        "DEBUG": "Never in production; refused with a live Stripe key.",
        "SUPPORT_EMAIL": "Whom pages and mails say to write to, and refusals when no plan helps.",
        "CATALOG_FILE": "Plans, prices and limits (TOML); `manage.py sync_catalog` applies it.",
        "OVERDUE_FILE": "What follows from an unpaid invoice, and when (TOML).",
    },
    "PostgreSQL and Redis": {
        "DATABASE_URL": "`postgres://user:password@host:5432/name`. PostgreSQL 18 is what the tests run on. A direct connection: "
        "a pooler in transaction mode is not supported.",
        "CONN_MAX_AGE": "Seconds a thread keeps its connection.",
        "FAST_MIGRATIONS": "Leaves out dj-stripe's own history; only for databases that are thrown away.",
        "REDIS_URL": "`redis://host:6379/0`. Windows of rate limits, caches, the task queue; may be lost at any time.",
        "CACHE_PREFIX": "Before every cache key, for installations that share a Redis.",
        "CELERY_BROKER_URL": "Where tasks queue.",
        "CELERY_QUEUE": "The queue's name, for installations that share a broker.",
    },
    "Stripe": {
        "STRIPE_SECRET_KEY": "`sk_live_…`, `sk_test_…` or a restricted key. Without one nothing can be sold.",
        "STRIPE_PUBLISHABLE_KEY": "`pk_…` of the same account and mode, for the card fields.",
        "STRIPE_WEBHOOK_UUID": "Any UUID, made once; part of the webhook's address. `manage.py stripe_webhook` makes the endpoint.",
        "STRIPE_WEBHOOK_SECRET": "`whsec_…` of that endpoint; needed with a live key.",
        "STRIPE_API_BASE": "Another address than Stripe's; only with the stand-in. Refused with a live key.",
        "SANDBOX_URL": "The stand-in's controls; turns the sandbox on. Refused with a live key.",
        "OVERAGE_COLLECT_AT_MINOR": "Overage waiting to be charged is invoiced at once from this amount on (cents).",
        "QUOTE_MINUTES": "How long a previewed price holds.",
    },
    "Mail": {
        "EMAIL_URL": "`smtp+tls://user:password@host:587`. Printing mails into the log is refused outside development.",
        "EMAIL_TIMEOUT_S": "How long the mail server may take to answer; some mails are sent while their visitor waits.",
        "DEFAULT_FROM_EMAIL": "The sender of all mails.",
        "EMAIL_VERIFICATION": "`mandatory`, `optional` or `none`: whether an address must be confirmed to sign in.",
    },
    "Behind a proxy": {
        "BEHIND_PROXY": "Believe `X-Forwarded-Proto`. Only when the proxy sets it on every request.",
        "PROXY_COUNT": "How many proxies of yours add to `X-Forwarded-For`; it is believed that far.",
        "SECURE_SSL_REDIRECT": "Answer plain HTTP with a redirect to HTTPS.",
        "STATIC_MANIFEST": "Serve files under the names that `collectstatic` gave them, cached for ever.",
    },
    "Signing in": {
        "JWT_SIGNING_KEY": "Signs tokens of the API. A key of its own lets either be changed alone.",
        "ACCESS_TOKEN_MINUTES": "Life of an access token.",
        "REFRESH_TOKEN_DAYS": "Life of a refresh token; each is used once.",
    },
    "Rate limits": {
        "RATE_LIMIT_GLOBAL": "Requests of all callers together: number/seconds.",
        "RATE_LIMIT_USER": "Requests of one person.",
        "RATE_LIMIT_PLAN_CHANGE": "Changes of plan of one person.",
        "RATE_LIMIT_AUTH": "Attempts to get a token, by address and e-mail.",
        "RATE_LIMIT_AUTH_IP": "Attempts to get a token, by address.",
        "RATE_LIMIT_PASSWORD": "Changes of password of one person.",
        "RATE_LIMIT_INVITATION": "Invitations of one person into organisations.",
        "RATE_LIMIT_SIGN_IN_PAGE": "Attempts on the sign-in page, in allauth's form.",
        "RATE_LIMIT_B2B_ACCOUNT": "Calls of one organisation.",
        "RATE_LIMIT_B2B_CREDENTIAL": "Calls with one key.",
        "RATE_LIMIT_API_KEY_FAILURES": "Calls with keys that let nobody in, by address.",
    },
    "Processes (`deploy/run`)": {
        "WEB_HOST": "Where the web server listens.",
        "WEB_PORT": "Its port.",
        "WEB_PROCESSES": "Web processes; about one a core.",
        "WEB_THREADS": "Threads of each: how many callers may wait at once. Each keeps a connection to PostgreSQL.",
        "WEB_TAKEOVER_S": "On SIGHUP an old process goes this long after the new one began to start: longer than a start.",
        "WORKER_PROCESSES": "Processes of a worker.",
        "BEAT_SCHEDULE": "The file in which beat keeps when it ran what.",
    },
    "Operating": {
        "METRICS_TOKEN": "Bearer token that `/metrics` asks for. Without one, keep that address inside your network.",
        "PROMETHEUS_MULTIPROC_DIR": "A directory for counters; each service of `deploy/run` makes one of its own below it, "
        "empties it at its start, and answers for all its processes.",
        "WORKER_METRICS_PORT": "Where a worker (on WEB_HOST) answers Prometheus for what its tasks count, a port for each worker of a host; "
        "without a token, so keep it inside your network. 0: nowhere.",
        "LOG_FORMAT": "`json` or `console`. For commands of `manage.py` it is COMMAND_LOG_FORMAT (`console`).",
        "LOG_LEVEL": "From which level on lines are written. For commands of `manage.py` it is COMMAND_LOG_LEVEL (`WARNING`).",
        "OUTBOX_LEASE_S": "A promised task that has run this long is taken for dead and run again.",
        "OUTBOX_RETENTION_DAYS": "How long kept promises stay.",
        "REFUSALS_RETENTION_DAYS": "How long refused calls can be explained by their request id.",
        "OPERATIONS_RETENTION_DAYS": "How long keys of operations and closed reservations stay: as long a repeated key finds the first decision.",
        "GENERATIONS_RETENTION_DAYS": "How long orders of the sample product that were refused stay.",
        "IDEMPOTENCY_RETENTION_HOURS": "How long an Idempotency-Key is remembered.",
        "WEBHOOK_RETENTION_DAYS": "How long applied deliveries of Stripe stay.",
    },
}

"""Settings, all from the environment; docs/environment.md has the table.

Anything unsafe together (debug with a live key, the sandbox with a live key, a weak secret) is refused by the
checks in config/checks.py, not silently corrected here.
"""

import logging
from datetime import timedelta
from operator import attrgetter
from typing import Any

from django.utils.translation import gettext_lazy as _

from config.csp import content_security_policy, stripe_script
from config.env import BASE_DIR, env
from config.logging import build_logging

DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY")
# Former keys: what they signed stays good until they are taken out again.
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])
BASE_URL = env.str("BASE_URL", default="http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[BASE_URL])
HTTPS = BASE_URL.startswith("https://")

# The sandbox: a Stripe stand-in and a clock that can be moved. Set only by the demo and by tests.
SANDBOX_URL = env.str("SANDBOX_URL", default="")
SANDBOX = bool(SANDBOX_URL)

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_structlog",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "djstripe",
    "config.apps.ProjectConfig",
    "common",
    "accounts",
    "quotas",
    "billing",
    "enterprise",
    "showcase",
]

MIDDLEWARE = [
    "common.middleware.RequestIdMiddleware",
    "common.middleware.MetricsMiddleware",
    "common.middleware.JsonErrorsMiddleware",
    "common.middleware.RequestLogMiddleware",
    "common.middleware.ProbesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "common.middleware.SlashMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.PreferencesMiddleware",
    "accounts.middleware.PrivatePagesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "common.middleware.PageErrorsMiddleware",
]
CSRF_FAILURE_VIEW = "common.pages.csrf_failure"

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "accounts.User"
# User.email is unique without regard to case, by a functional constraint that this check does not see.
SILENCED_SYSTEM_CHECKS = ["auth.W004"]
if SANDBOX:
    SILENCED_SYSTEM_CHECKS += ["djstripe.W002"]  # another address than Stripe's is what a sandbox is

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.context.page_context",
            ],
        },
    },
]

# --- Data ---------------------------------------------------------------------------------------------------
DATABASES: dict[str, dict[str, Any]] = {"default": env.db_url("DATABASE_URL")}
DATABASES["default"].update(
    ENGINE="django.db.backends.postgresql",
    # Each thread keeps a connection of its own, for this many seconds of use; an idle thread keeps it till it is used
    # again. So PostgreSQL's max_connections must be above: web processes x (threads + 1 for the meter) + workers + beat.
    CONN_MAX_AGE=env.int("CONN_MAX_AGE", default=60),
    CONN_HEALTH_CHECKS=True,
)
DATABASES["default"].setdefault("OPTIONS", {}).setdefault("application_name", "palier")
DATABASES["default"]["OPTIONS"].setdefault("connect_timeout", 5)
DATABASES["default"]["OPTIONS"].setdefault(
    "prepare_threshold", 5
)  # allows common.database.prepared; the ORM prepares nothing

# dj-stripe's migration 0002 takes about 40 s. Databases that are thrown away are made without its history.
MIGRATION_MODULES = {"djstripe": None} if env.bool("FAST_MIGRATIONS", default=False) else {}

REDIS_URL = env.str("REDIS_URL")
_REDIS = {
    "LOCATION": REDIS_URL,
    "KEY_PREFIX": env.str("CACHE_PREFIX", default="palier"),
    "OPTIONS": {
        "CLIENT_CLASS": "django_redis.client.DefaultClient",
        "SOCKET_CONNECT_TIMEOUT": 0.5,
        "SOCKET_TIMEOUT": 0.5,
    },
}
CACHES = {
    "default": {"BACKEND": "common.cache.ForgivingRedisCache", **_REDIS},
    # Tells when Redis is away, so that common.ratelimit can leave it alone for a moment.
    "rate_limits": {"BACKEND": "common.cache.CountingRedisCache", **_REDIS},
}
DJANGO_REDIS_LOG_IGNORED_EXCEPTIONS = True

# --- People -------------------------------------------------------------------------------------------------
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/account/"  # for who has an account: accounts.access.start_address
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_USER_DISPLAY = attrgetter("email")
ACCOUNT_FORMS = {
    "login": "accounts.forms.LoginForm",
    "signup": "accounts.forms.SignupForm",
    "add_email": "accounts.forms.AddEmailForm",
    "change_password": "accounts.forms.ChangePasswordForm",
    "set_password": "accounts.forms.SetPasswordForm",
    "reset_password": "accounts.forms.ResetPasswordForm",
    "reset_password_from_key": "accounts.forms.ResetPasswordKeyForm",
    "reauthenticate": "accounts.forms.ReauthenticateForm",
}
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = env.str("EMAIL_VERIFICATION", default="optional")
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_RATE_LIMITS = {
    "login": env.str("RATE_LIMIT_SIGN_IN_PAGE", default="120/m/ip")
}  # others: allauth's own
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""  # the subjects name the product themselves
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of what changes how one signs in
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Palier"  # what the authenticator shows
MFA_TOTP_TOLERANCE = 1  # the code before and after pass too: clocks differ, and typing takes time
USERSESSIONS_TRACK_ACTIVITY = False

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_SSL_REDIRECT = env.bool("SECURE_SSL_REDIRECT", default=HTTPS)
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_REFERRER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = (
    ("HTTP_X_FORWARDED_PROTO", "https") if env.bool("BEHIND_PROXY", default=False) else None
)
# How many proxies of ours stand before us and add to X-Forwarded-For; it is believed that far and no further.
PROXY_COUNT = env.int("PROXY_COUNT", default=1 if env.bool("BEHIND_PROXY", default=False) else 0)
X_FRAME_OPTIONS = "DENY"

# Printed is for development only: config/checks.py refuses to start so elsewhere.
EMAIL_CONFIG = env.email_url("EMAIL_URL", default="consolemail://")
vars().update(EMAIL_CONFIG)
EMAIL_TIMEOUT = env.int("EMAIL_TIMEOUT_S", default=10)  # some mails are sent while their visitor waits
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default="Palier <no-reply@palier.test>")
# Where a refused caller is sent when no plan helps.
SUPPORT_EMAIL = env.str("SUPPORT_EMAIL", default="support@palier.test")

# --- Languages and time -------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "staticfiles"
# Without a manifest (tests, development) files are served as they lie; with one, as `collectstatic` left them.
STATIC_MANIFEST = env.bool("STATIC_MANIFEST", default=not DEBUG)
WHITENOISE_USE_FINDERS = not STATIC_MANIFEST
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if STATIC_MANIFEST
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}

# --- API ----------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["accounts.authentication.JwtAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.permissions.IsUser"],
    "DEFAULT_RENDERER_CLASSES": ["common.api.rendering.EnvelopeRenderer"],
    "DEFAULT_PARSER_CLASSES": ["common.api.parsing.StrictJsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "common.api.rendering.OneFormNegotiation",
    "DEFAULT_SCHEMA_CLASS": "common.openapi.PalierSchema",
    "EXCEPTION_HANDLER": "common.api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
    "UNAUTHENTICATED_TOKEN": None,
    "COERCE_DECIMAL_TO_STRING": False,
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=env.int("ACCESS_TOKEN_MINUTES", default=10)),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=env.int("REFRESH_TOKEN_DAYS", default=14)),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "ALGORITHM": "HS256",
    "SIGNING_KEY": env.str("JWT_SIGNING_KEY", default=SECRET_KEY),
    "USER_ID_FIELD": "id",
    "USER_ID_CLAIM": "sub",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Palier API",
    "VERSION": "1",
    "DESCRIPTION": "Subscriptions, exact quotas, credits and usage. Every error has a stable code.",
    "OAS_VERSION": "3.1.0",
    "PREPROCESSING_HOOKS": ["common.openapi.only_v1"],
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "common.openapi.with_headers",
    ],
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": r"/v1/",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    # Where two things have fields of one name with other choices, and each occurs in more than one place.
    "ENUM_NAME_OVERRIDES": {
        "CardRefundStatus": "billing.enums.CardRefundStatus",
        "ChargeStatus": "billing.enums.ChargeStatus",
        "GrantSource": "quotas.enums.GrantSource",
        "LimitSource": "quotas.enums.Source",
        "CreditNoteStatus": "billing.enums.CreditNoteStatus",
        "InvoiceStatus": "billing.enums.InvoiceStatus",
        "SubscriptionStatus": "billing.enums.SubscriptionStatus",
        "WithdrawalStatus": "billing.enums.WithdrawalStatus",
        "CredentialStatus": "enterprise.enums.CredentialStatus",
        "Scope": "enterprise.enums.Scope",
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
# name: ("count/seconds", what it is counted by). Without Redis they are not enforced (docs/adr/0013).
RATE_LIMITS = {
    "global": (env.str("RATE_LIMIT_GLOBAL", default="5000/1"), "everyone"),
    "user": (env.str("RATE_LIMIT_USER", default="30000/60"), "caller"),
    "plan_change": (env.str("RATE_LIMIT_PLAN_CHANGE", default="300/60"), "user_plan"),
    "auth": (env.str("RATE_LIMIT_AUTH", default="60/60"), "ip_email"),
    "invitation": (env.str("RATE_LIMIT_INVITATION", default="60/3600"), "caller"),
    "password": (env.str("RATE_LIMIT_PASSWORD", default="20/60"), "caller"),
    "auth_ip": (env.str("RATE_LIMIT_AUTH_IP", default="600/60"), "ip"),
    "b2b_account": (env.str("RATE_LIMIT_B2B_ACCOUNT", default="60000/60"), "account"),
    "b2b_credential": (env.str("RATE_LIMIT_B2B_CREDENTIAL", default="30000/60"), "credential"),
    "api_key_failures": (env.str("RATE_LIMIT_API_KEY_FAILURES", default="3000/60"), "ip"),
}
# The key may vanish between django-ratelimit's two questions; that is no reason to refuse.
RATELIMIT_FAIL_OPEN = True
RATELIMIT_USE_CACHE = "rate_limits"
# Who may read /metrics: nobody without this token, when it is set. Otherwise keep the address inside your network.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")

# --- Stripe -------------------------------------------------------------------------------------------------
STRIPE_SECRET_KEY = env.str("STRIPE_SECRET_KEY", default="")
STRIPE_PUBLISHABLE_KEY = env.str("STRIPE_PUBLISHABLE_KEY", default="")
STRIPE_API_BASE = env.str("STRIPE_API_BASE", default="")
STRIPE_JS_URL = stripe_script(SANDBOX_URL)
CONTENT_SECURITY_POLICY = content_security_policy(SANDBOX_URL, STRIPE_PUBLISHABLE_KEY)
STRIPE_WEBHOOK_UUID = env.str("STRIPE_WEBHOOK_UUID", default="")
STRIPE_WEBHOOK_SECRET = env.str("STRIPE_WEBHOOK_SECRET", default="")
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
if STRIPE_LIVE_MODE:
    STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY
else:
    STRIPE_TEST_SECRET_KEY = STRIPE_SECRET_KEY
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
DJSTRIPE_SUBSCRIBER_MODEL = "accounts.Account"
DJSTRIPE_WEBHOOK_VALIDATION = "verify_signature"
# The version the gateway is written for; the SDK is pinned to the release that has it.
STRIPE_API_VERSION = "2026-08-26.dahlia"
if STRIPE_API_BASE:
    STRIPE_API_HOST = STRIPE_API_BASE

CATALOG_FILE = env.path("CATALOG_FILE", default=str(BASE_DIR / "billing" / "catalog.toml"))
OVERDUE_FILE = env.path("OVERDUE_FILE", default=str(BASE_DIR / "billing" / "overdue.toml"))
# Overage waits for the subscription's next invoice; once this much waits (minor units), it is invoiced at once.
OVERAGE_COLLECT_AT_MINOR = env.int("OVERAGE_COLLECT_AT_MINOR", default=2000)
CREDITS_URL = "/account/billing/credits/"
QUOTE_TTL = timedelta(minutes=env.int("QUOTE_MINUTES", default=30))

# How long deliveries from Stripe are kept after they were applied.
WEBHOOK_RETENTION = timedelta(days=env.int("WEBHOOK_RETENTION_DAYS", default=30))

# --- Work after the commit ----------------------------------------------------------------------------------
CELERY_BROKER_URL = env.str("CELERY_BROKER_URL", default=REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
}
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TIMEZONE = "UTC"
CELERY_TASK_DEFAULT_QUEUE = env.str("CELERY_QUEUE", default="palier")
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "reservations-expire": {"task": "quotas.tasks.reservations_expire", "schedule": 10.0},
    "grants-expire": {"task": "quotas.tasks.grants_expire", "schedule": 60.0},
    "partitions-ensure": {"task": "quotas.tasks.partitions_ensure", "schedule": 86_400.0},
    "thresholds-notify": {"task": "quotas.tasks.thresholds_notify", "schedule": 10.0},
    "operations-forget": {"task": "quotas.tasks.operations_forget", "schedule": 3600.0},
    "refusals-prune": {"task": "quotas.tasks.refusals_prune", "schedule": 3600.0},
    "outbox-sweep": {"task": "common.outbox_sweep", "schedule": 5.0},
    "prune": {"task": "common.prune", "schedule": 3600.0},
    "anomalies-look": {"task": "common.anomalies_look", "schedule": 300.0},
    "webhooks-prune": {"task": "billing.tasks.webhooks_prune", "schedule": 86_400.0},
    "plan-changes-sweep": {"task": "billing.tasks.plan_changes_sweep", "schedule": 20.0},
    "payments-sweep": {"task": "billing.tasks.payments_sweep", "schedule": 20.0},
    "reconcile": {"task": "billing.tasks.reconcile", "schedule": 21_600.0},
    "overdue-apply": {"task": "billing.tasks.overdue_apply", "schedule": 60.0},
    "reminders-notify": {"task": "billing.tasks.reminders_notify", "schedule": 300.0},
    "keys-remind": {"task": "enterprise.tasks.keys_remind", "schedule": 300.0},
    "refunds-sweep": {"task": "billing.tasks.refunds_sweep", "schedule": 20.0},
    "overage-sweep": {"task": "billing.tasks.overage_sweep", "schedule": 20.0},
    "plan-credits-sweep": {"task": "billing.tasks.plan_credits_sweep", "schedule": 60.0},
    "contract-periods-invoice": {"task": "enterprise.tasks.contract_periods_invoice", "schedule": 60.0},
    "news-tell": {"task": "accounts.news_tell", "schedule": 60.0},
    "tokens-prune": {"task": "accounts.tokens_prune", "schedule": 86_400.0},
}
if "showcase" in INSTALLED_APPS:
    SPECTACULAR_SETTINGS["ENUM_NAME_OVERRIDES"]["GenerationStatus"] = "showcase.enums.GenerationStatus"
    CELERY_BEAT_SCHEDULE["generations-sweep"] = {
        "task": "showcase.tasks.generations_sweep",
        "schedule": 20.0,
    }
    CELERY_BEAT_SCHEDULE["refused-generations-forget"] = {
        "task": "showcase.tasks.refused_generations_forget",
        "schedule": 86_400.0,
    }
for _entry in CELERY_BEAT_SCHEDULE.values():
    # What could not begin before its next turn is dropped: while Stripe is away, turns would pile up before all else.
    _entry["options"] = {"expires": _entry["schedule"]}

# Where a worker tells what its tasks counted; 0: nowhere. A web process tells at /metrics.
WEB_HOST = env.str("WEB_HOST", default="0.0.0.0")  # noqa: S104 - what deploy/run listens on; a proxy stands before it
WORKER_METRICS_PORT = env.int("WORKER_METRICS_PORT", default=0)

# A run of a promised task that neither ended nor failed within this time has died; another may begin.
OUTBOX_LEASE = timedelta(seconds=env.int("OUTBOX_LEASE_S", default=60))
OUTBOX_RETENTION = timedelta(days=env.int("OUTBOX_RETENTION_DAYS", default=30))
REFUSALS_RETENTION = timedelta(days=env.int("REFUSALS_RETENTION_DAYS", default=30))
OPERATIONS_RETENTION = timedelta(days=env.int("OPERATIONS_RETENTION_DAYS", default=90))
GENERATIONS_RETENTION = timedelta(days=env.int("GENERATIONS_RETENTION_DAYS", default=30))
IDEMPOTENCY_RETENTION = timedelta(hours=env.int("IDEMPOTENCY_RETENTION_HOURS", default=24))

LOGGING = build_logging(
    debug=DEBUG, fmt=env.str("LOG_FORMAT", default="json"), level=env.str("LOG_LEVEL", default="INFO")
)
DJANGO_STRUCTLOG_CELERY_ENABLED = True
DJANGO_STRUCTLOG_USER_ID_FIELD = "pk"
# RequestIdMiddleware has put an id of ours there, or the caller's when it has the accepted form.
DJANGO_STRUCTLOG_TRUST_UPSTREAM_REQUEST_ID = True
# An address is personal data. One line a request, at its end, says the rest.
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG

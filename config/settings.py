"""All settings, read from the environment. What is wrong stops the start, with its name."""

from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = env.flag("DEBUG", False)
SECRET_KEY = env.text("SECRET_KEY")
_base = env.url("BASE_URL", ("http", "https"))
BASE_URL = _base.geturl().rstrip("/")
SECURE = _base.scheme == "https"
# On this machine alone: mails may go to a catcher that listens where mail servers do.
LOCAL = _base.hostname in ("127.0.0.1", "localhost", "testserver")
ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", _base.hostname or "localhost")
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
ROLE = env.text("ROLE", "web")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django.contrib.humanize",
    "django_htmx",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "pgtrigger",
    "pghistory",
    "notifications",
    "workflow",
    "asd",
    "requests_app",
    "discovery",
    "fulfillment",
    "billing",
    "config",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "config.middleware.PrivatePages",
    "config.middleware.BoundedCost",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
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
                "requests_app.shell.shell",
            ]
        },
    }
]

_database = env.database("DATABASE_URL")
# A row of a list joins what it shows: beyond four tables at once, finding the cheapest order of
# joins costs more than it saves (27 ms for a page of 25 rows that takes half a millisecond).
_sessions = [_database["OPTIONS"].get("options", ""), "-c join_collapse_limit=4"]
# Statements are short and some are prepared: compiling or planning them anew costs more than they.
_sessions.append("-c jit=off -c plan_cache_mode=force_generic_plan")
# Seconds after which the database gives up a statement; 0 is never. The web server sets it.
if STATEMENT_SECONDS := env.number("STATEMENT_SECONDS", 0):
    _sessions.append(f"-c statement_timeout={STATEMENT_SECONDS}s")
    # The processors are for the pages of many at once: to start others for one page takes longer.
    _sessions.append("-c max_parallel_workers_per_gather=0")
_database["OPTIONS"]["options"] = " ".join(filter(None, _sessions))
DATABASES = {
    "default": {
        **_database,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_USER_MODEL = "workflow.User"
AUTHENTICATION_BACKENDS = ["workflow.accounts.Accounts"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("es", "Español")]
LOCALE_PATHS = [BASE_DIR / "locale"]
TIME_ZONE = env.text("TIME_ZONE", "America/Chicago")
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
# `make run` collects into its own data folder, so that two of them never share one
STATIC_ROOT = env.text("STATIC_ROOT", str(BASE_DIR / "staticfiles"))
_packages = BASE_DIR / "node_modules" / ".static"
STATICFILES_DIRS = [BASE_DIR / "static", *([_packages] if _packages.is_dir() else [])]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
MEDIA_ROOT = env.text("MEDIA_ROOT", str(BASE_DIR / "var" / "media"))
FILE_UPLOAD_PERMISSIONS = 0o640
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_500_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
DATA_UPLOAD_MAX_NUMBER_FILES = 20

SESSION_ENGINE = "workflow.sessions"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = SECURE
CSRF_COOKIE_SECURE = SECURE
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE
SECURE_HSTS_PRELOAD = SECURE
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

EMAIL_TIMEOUT = 20
globals().update(env.email("EMAIL_URL", "smtp://127.0.0.1:25" if LOCAL else None))
DEFAULT_FROM_EMAIL = env.text("DEFAULT_FROM_EMAIL", f"Throughline <no-reply@{_base.hostname}>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# Mail that comes in: where answers are sent to, and how they are fetched (docs/mail.md)
INBOUND_ADDRESS = env.mail_address("INBOUND_ADDRESS", longest_local=24)
IMAP = env.imap("IMAP_URL")
WEBHOOK_SECRET = env.webhook_secret("ANYMAIL_WEBHOOK_SECRET")
ANYMAIL = {"WEBHOOK_SECRET": WEBHOOK_SECRET} if WEBHOOK_SECRET else {}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workflow.tokens.BearerTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "workflow.api.answer_for",
    "PAGE_SIZE": 25,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Throughline",
    "DESCRIPTION": "Requests of agencies, from intake to closed.",
    "VERSION": "1",
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "ENUM_NAME_OVERRIDES": {
        "RequestState": "requests_app.states.State",
        "RequestKind": "requests_app.states.Kind",
        "Level": "requests_app.states.Level",
        "ServiceState": "asd.models.ServiceState",
        "ProposalState": "discovery.proposal_models.ProposalState",
        "ProposalLineKind": "discovery.proposal_models.ProposalLine.Kind",
        "BillingState": "billing.models.BillingState",
        "ScheduleEntryState": "fulfillment.models.EntryState",
    },
}

CELERY_BROKER_URL = env.url("REDIS_URL", ("redis", "rediss")).geturl()
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 90
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 600,
    "unacked_restore_interval": 10,
    "unacked_restore_throttle": 1,
    "socket_connect_timeout": 2,
    "socket_keepalive": True,
    "health_check_interval": 10,
}
if ROLE == "web":
    # Only where one publishes: a frozen broker must not hang a page; on a worker it would wedge.
    CELERY_BROKER_TRANSPORT_OPTIONS["socket_timeout"] = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_SOFT_SHUTDOWN_TIMEOUT = 30
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TIMEZONE = TIME_ZONE
CELERY_BEAT_SCHEDULE = {
    "refresh forecasts": {"task": "fulfillment.tasks.refresh_forecasts", "schedule": 60.0},
    "roll the schedule on": {"task": "fulfillment.tasks.roll_in", "schedule": 3600.0},
    "sweep the outbox": {"task": "notifications.tasks.sweep", "schedule": 30.0},
    "purge forms never confirmed": {
        "task": "requests_app.tasks.purge_forms",
        "schedule": 3600.0,
    },
    "purge mails as they came": {"task": "requests_app.tasks.purge_mail", "schedule": 3600.0},
    "purge answers to programs": {"task": "workflow.tasks.purge_calls", "schedule": 3600.0},
    "purge sessions": {"task": "workflow.tasks.purge_sessions", "schedule": 3600.0},
    "fetch mail": {"task": "requests_app.tasks.fetch_mail", "schedule": 60.0},
    "read mail": {"task": "requests_app.tasks.read_mail", "schedule": 30.0},
    "remind customers": {"task": "requests_app.tasks.remind_customers", "schedule": 900.0},
    "send links asked for": {"task": "requests_app.tasks.send_links", "schedule": 30.0},
    "revoke links": {"task": "requests_app.tasks.revoke_links", "schedule": 3600.0},
    "remind of proposals": {"task": "discovery.tasks.remind_proposals", "schedule": 3600.0},
    "count reports": {"task": "requests_app.tasks.count_reports", "schedule": 300.0},
    "count reports asked for": {
        "task": "requests_app.tasks.count_reports_asked",
        "schedule": 30.0,
    },
    "daily digests": {"task": "requests_app.tasks.send_digests", "schedule": 300.0},
    "archive": {"task": "requests_app.tasks.archive_closed", "schedule": 3600.0},
    "escalate": {"task": "requests_app.tasks.escalate", "schedule": 60.0},
    "set stale clocks": {"task": "requests_app.tasks.freshen_clocks", "schedule": 60.0},
    "expire proposals": {"task": "discovery.tasks.expire_proposals", "schedule": 3600.0},
    "plans that were asked for": {"task": "fulfillment.tasks.sweep_plans", "schedule": 30.0},
}

THROUGHLINE: dict[str, Any] = {
    "REOPEN_DAYS": 14,
    # closed for so many days, a request leaves the working lists (docs/scaling.md); 0: never
    "ARCHIVE_DAYS": env.number("ARCHIVE_DAYS", 730),
    # so many days after a mail is on its case it is no longer kept as it came; 0: for ever
    "RAW_MAIL_DAYS": env.number("RAW_MAIL_DAYS", 180),
    # so long a program that asks again with the same Idempotency-Key gets the same answer
    "API_CALL_DAYS": 7,
    # the customer's page: how long a link opens it, how long a browser remembers, in days
    "TRACKING_DAYS": 180,
    "TRACKING_COOKIE_DAYS": 30,
    # a new link, asked for by e-mail: how often an hour for one address, from one client
    "LINKS_PER_ADDRESS": 3,
    "LINKS_PER_CLIENT": 20,
    # working days after which a customer is reminded of a question
    "REMIND_CUSTOMER_DAYS": [3, 7],
    "SCHEDULE_WINDOW_DAYS": 60,
    "MAX_UPLOAD_MB": 25,
    # working days before a proposal runs out on which it is brought to mind, once
    "PROPOSAL_REMINDER_DAYS": 3,
    # reverse proxies in front of the web server, each writing X-Forwarded-For
    "PROXIES": env.number("PROXIES", 0),
    # the public form: how often from one address (an hour) and for one e-mail (a day)
    "FORMS_AN_HOUR": 20,
    "FORMS_A_DAY": 5,
    "FORM_SECONDS": 3,
    "FORM_MB": 50,
    "MAX_MAIL_MB": 40,
    "MAIL_ANSWERS_PER_HOUR": 5,
    "REPLAN_SECONDS": 7,  # for the solver; with reading and checking a plan stays within 10 s
    "DIGEST_HOUR": 7,
}

if 0 < THROUGHLINE["ARCHIVE_DAYS"] <= THROUGHLINE["REOPEN_DAYS"]:
    raise ImproperlyConfigured("ARCHIVE_DAYS must be 0 or more than REOPEN_DAYS.")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{levelname} {name}: {message}", "style": "{"}},
    "filters": {"without keys": {"()": "config.logs.WithoutKeys"}},
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["without keys"],
        }
    },
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {"django.server": {"propagate": True}},
}

"""Structured logs: one line per event on standard error, JSON when asked for."""

from __future__ import annotations

from typing import Any

import structlog

from .environment import env

LOG_LEVEL = env.str("CODER_ADMIN_LOG_LEVEL", default="INFO").upper()
LOG_JSON = env.switch("CODER_ADMIN_LOG_JSON", default=False)

_shared: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": structlog.stdlib.ProcessorFormatter,
            "foreign_pre_chain": _shared,
            "processors": [
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer()
                if LOG_JSON
                else structlog.processors.LogfmtRenderer(key_order=["timestamp", "level", "logger", "event"]),
            ],
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "coder_admin": {"level": LOG_LEVEL},
        "coderd": {"level": LOG_LEVEL},  # the pools' loop writes under the name that operators know
        "prebuilds": {"level": LOG_LEVEL},
        "rbac": {"level": LOG_LEVEL},
        # One line per request, and per stream that a client ends, would drown the events.
        "django_structlog": {"level": "ERROR"},
    },
}

structlog.configure(
    processors=[
        structlog.stdlib.filter_by_level,
        *_shared,
        structlog.processors.StackInfoRenderer(),
        structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
    ],
    logger_factory=structlog.stdlib.LoggerFactory(),
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)

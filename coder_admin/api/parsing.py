"""Reading JSON bodies: what cannot be read is the caller's mistake, never the server's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from coder_admin.foundation.errors import TooLarge


class BodyParser(JSONParser):
    """DRF's parser with 413 for what is too long, which DRF reads without Django's limit, and 400 also for
    brackets nested too deep and for lone surrogates, wherever they are."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        _check_length(parser_context or {})
        try:
            body = super().parse(stream, media_type=media_type, parser_context=parser_context)
            json.dumps(body, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - the body is nested too deep.") from None
        except UnicodeEncodeError:
            # JSON can spell them, UTF-8 cannot: not in the database, not in an answer that quotes them.
            raise ParseError(
                "JSON parse error - half of a surrogate pair (\\ud800 to \\udfff) is no text."
            ) from None
        return body


def _check_length(context: Mapping[str, Any]) -> None:
    """Refuse a body before it is read; one without a stated length is empty to Django."""
    limit, request = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, context.get("request")
    length = str(request.META.get("CONTENT_LENGTH") or "") if request is not None else ""
    if limit and length.isdecimal() and int(length) > limit:
        raise TooLarge(
            "The body is too large.", detail=f"At most {limit} bytes: send it in several smaller requests."
        )

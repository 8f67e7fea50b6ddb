"""Who calls the API: a browser session, or a program by its token."""

from rest_framework.authentication import BaseAuthentication, SessionAuthentication

__all__ = ["SessionAuthentication", "TokenAuthentication"]


class TokenAuthentication(BaseAuthentication):
    """``Coder-Session-Token`` or ``Authorization: Bearer``."""

    def authenticate(self, request):  # type: ignore[no-untyped-def]
        return None

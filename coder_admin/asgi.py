"""The ASGI application: HTTP by Django, websockets by the rooms' consumers."""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coder_admin.settings")
http = get_asgi_application()

from coder_admin.routing import application_with  # noqa: E402 - apps must be loaded first

application = application_with(http)

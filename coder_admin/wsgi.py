"""HTTP without websockets, for a WSGI server behind a proxy that splits off ``/ws/`` and streams."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "coder_admin.settings")
application = get_wsgi_application()

"""Serve until killed."""

import os
import sys
from pathlib import Path
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Silent(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def main(folder: Path, redirect_uri: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "key.pem").write_bytes(key)
    os.environ["PROVIDER_FOLDER"] = str(folder)
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.oidc.provider.settings"
    import django
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    application = get_wsgi_application()
    django.setup()
    call_command("migrate", verbosity=0)
    from allauth.idp.oidc.models import Client

    client = Client(id="coder-admin", name="Coder Admin", skip_consent=True, redirect_uris=redirect_uri)
    client.scopes = "openid\nprofile\nemail"
    client.set_secret("the-client-secret")
    client.save()
    with make_server("127.0.0.1", 0, application, server_class=Server, handler_class=Silent) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


main(Path(sys.argv[1]), sys.argv[2])

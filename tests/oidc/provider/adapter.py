"""What the provider says about a person: what the test wrote down."""

import json

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from django.conf import settings


class ClaimsFromFile(DefaultOIDCAdapter):
    def get_claims(self, purpose, user, client, scopes, email=None, **options):  # type: ignore[no-untyped-def]
        written = json.loads((settings.FOLDER / "claims.json").read_text())[user.username]
        return {**super().get_claims(purpose, user, client, scopes, email, **options), **written}

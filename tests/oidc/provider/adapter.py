"""What the provider says about a person: what the test wrote down."""

import json

from allauth.idp.oidc.adapter import DefaultOIDCAdapter

from .settings import FOLDER


class ClaimsFromFile(DefaultOIDCAdapter):  # type: ignore[misc]  # allauth has no types
    def get_claims(self, purpose, user, client, scopes, email=None, **options):  # type: ignore[no-untyped-def]
        written = json.loads((FOLDER / "claims.json").read_text())[user.username]
        return {**super().get_claims(purpose, user, client, scopes, email, **options), **written}

"""Login with an OpenID Connect provider: django-allauth speaks the protocol, `login` decides who that is."""

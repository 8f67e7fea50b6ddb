"""A real OpenID provider for the tests: django-allauth's own, as a process of its own.

`python -m tests.oidc.provider FOLDER REDIRECT_URI` serves on a free port, which it prints. The claims of a
person are read from `FOLDER/claims.json` at each login: `{username: {claim: value}}`.
"""

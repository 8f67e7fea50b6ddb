"""Django's question "may this user?" answered by the policy."""

from django.contrib.auth.backends import ModelBackend


class PolicyBackend(ModelBackend):
    pass

"""The app's registration with Django."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    name = "coder_admin.provisioning"
    label = "provisioning"

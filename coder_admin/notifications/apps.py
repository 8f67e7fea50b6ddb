"""The app's registration with Django, and with the room below."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "coder_admin.notifications"
    label = "notifications"

    def ready(self) -> None:
        """Hear of what happens to accounts."""
        from coder_admin.organizations.announcements import on_account

        from .accounts import account_changed, register_kinds

        register_kinds()
        on_account(account_changed)

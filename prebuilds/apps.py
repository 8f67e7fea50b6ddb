"""The app's registration with Django, and with the rooms below."""

from django.apps import AppConfig


class PrebuildsConfig(AppConfig):
    name = "prebuilds"
    label = "prebuilds"

    def ready(self) -> None:
        """Offer prebuilds to whoever creates workspaces, hear of builds and replacements, wake the
        loop on changes."""
        from coder_admin.catalog.imports import register_preset_validator
        from coder_admin.workspaces import claims
        from prebuilds.claim import claim, waiting_ended
        from prebuilds.imported import imported_schedule_problems
        from prebuilds.notices import register_kinds, resources_replaced
        from prebuilds.wake import forward_announcements

        register_preset_validator(imported_schedule_problems)
        claims.register(claim)
        claims.on_replacements(resources_replaced)
        claims.on_success(waiting_ended)
        register_kinds()
        forward_announcements()

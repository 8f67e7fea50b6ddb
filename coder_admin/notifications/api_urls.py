"""Routes of notifications under `/api/v2`."""

from django.urls import path

from . import api

urlpatterns = [
    path("notifications/inbox", api.InboxView.as_view()),
    path("notifications/inbox/mark-all-as-read", api.InboxReadAllView.as_view()),
    path("notifications/inbox/<str:notification_id>/read-status", api.InboxReadView.as_view()),
    path("notifications/settings", api.SettingsView.as_view()),
    path("notifications/test", api.TestView.as_view()),
    path("notifications/templates/system", api.KindsView.as_view()),
    path("notifications/templates/<str:template_id>/method", api.KindMethodView.as_view()),
    path("notifications/dispatch-methods", api.MethodsView.as_view()),
    path("users/<str:user>/notifications/preferences", api.PreferencesView.as_view()),
    path("users/<str:user>/notifications/preferences/methods", api.MethodPreferencesView.as_view()),
]

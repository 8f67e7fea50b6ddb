"""Routes of the pools below `/api/v2`."""

from django.urls import path

from prebuilds import api

urlpatterns = [
    path("prebuilds/settings", api.PrebuildsSettingsView.as_view()),
    path("templates/<uuid:template>/prebuilds/invalidate", api.TemplateInvalidateView.as_view()),
    path("templateversionpresets/<uuid:preset>/prebuilds", api.PresetPoolView.as_view()),
    path("templateversionpresets/<uuid:preset>/prebuilds/build", api.PresetBuildView.as_view()),
    path("templateversionpresets/<uuid:preset>/prebuilds/invalidate", api.PresetInvalidateView.as_view()),
    path("templateversionpresets/<uuid:preset>/prebuilds/reset", api.PresetResetView.as_view()),
]

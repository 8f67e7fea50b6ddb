"""Routes of this room below ``/api/v2``."""

from django.urls import path

from .api import templates, versions

urlpatterns = [
    path("templates", templates.TemplatesView.as_view()),
    path("templates/<str:template>", templates.TemplateView.as_view()),
    path("templates/<str:template>/acl", templates.AclView.as_view()),
    path("templates/<str:template>/acl/available", templates.AclAvailableView.as_view()),
    path("templates/<str:template>/versions", versions.TemplateVersionsView.as_view()),
    path("templates/<str:template>/versions/<str:name>", versions.TemplateVersionByNameView.as_view()),
    path("organizations/<str:organization>/templates", templates.OrganizationTemplatesView.as_view()),
    path(
        "organizations/<str:organization>/templates/<str:name>", templates.OrganizationTemplateView.as_view()
    ),
    path(
        "organizations/<str:organization>/templates/<str:template>/versions/<str:name>",
        versions.OrganizationVersionView.as_view(),
    ),
    path(
        "organizations/<str:organization>/templates/<str:template>/versions/<str:name>/previous",
        versions.PreviousVersionView.as_view(),
    ),
    path("organizations/<str:organization>/templateversions", versions.CreateVersionView.as_view()),
    path("templateversions/<str:version>", versions.VersionView.as_view()),
    path("templateversions/<str:version>/cancel", versions.CancelVersionView.as_view()),
    path("templateversions/<str:version>/archive", versions.ArchiveVersionView.as_view()),
    path("templateversions/<str:version>/unarchive", versions.ArchiveVersionView.as_view(archive=False)),
    path("templateversions/<str:version>/presets", versions.PresetsView.as_view()),
    path("templateversions/<str:version>/rich-parameters", versions.RichParametersView.as_view()),
    path("templateversions/<str:version>/variables", versions.VariablesView.as_view()),
    path("templateversions/<str:version>/resources", versions.ResourcesView.as_view()),
    path("templateversions/<str:version>/external-auth", versions.ExternalAuthView.as_view()),
    path("templateversions/<str:version>/logs", versions.LogsView.as_view()),
]

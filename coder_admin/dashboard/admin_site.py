"""Django's admin in the shell of the pages, opened by the policy."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.admin import AdminSite, ModelAdmin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import urlencode

from rbac.admin import PolicyAdmin
from rbac.django import subject_for
from rbac.roles import MEMBER


class PolicyAdminSite(AdminSite):
    """Opens to whoever holds a site role beyond `member`; each model asks the policy by `has_perm`."""

    site_header = "Administration"
    site_title = "Coder Admin"
    index_title = "Administration"
    enable_nav_sidebar = False
    site_url = None

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: type[ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Only admins that ask the policy row by row; those that libraries bring for their models do not."""
        if admin_class is not None and issubclass(admin_class, PolicyAdmin):
            super().register(model_or_iterable, admin_class, **options)

    def has_permission(self, request: HttpRequest) -> bool:
        """A site role beyond `member`; which models show is decided model by model."""
        viewer = subject_for(request.user)
        return any(not role.org and role.name != MEMBER for role in viewer.roles)

    def login(self, request: HttpRequest, extra_context: dict[str, object] | None = None) -> HttpResponse:
        """There is one sign-in page. Who is signed in without the right is told so there is nothing here."""
        if request.user.is_authenticated and not self.has_permission(request):
            from .http import draw_error

            return draw_error(request, 404)
        target = request.GET.get("next") or reverse("admin:index")
        return HttpResponseRedirect(f"{reverse('dashboard:login')}?{urlencode({'next': target})}")

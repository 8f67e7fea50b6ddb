"""allauth's addresses, and one by which a test's browser is signed in at the provider without a password."""

from django.contrib.auth import get_user_model, login
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def sign_in(request: HttpRequest, username: str) -> HttpResponse:
    user, _ = get_user_model().objects.get_or_create(username=username)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse("signed in")


urlpatterns = [
    path("as/<str:username>", sign_in),
    path("account/", include("allauth.account.urls")),
    path("", include("allauth.idp.urls")),
]

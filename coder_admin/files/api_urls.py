"""Routes of this room below ``/api/v2``."""

from django.urls import path

from .api import DownloadView, UploadView

urlpatterns = [
    path("files", UploadView.as_view(), name="files"),
    path("files/<str:file_id>", DownloadView.as_view(), name="file"),
]

"""The customer's private addresses; no account is needed."""

from django.urls import path

from requests_app import tracking_views

urlpatterns = [
    path("track/<str:token>/", tracking_views.track, name="requests_track"),
    path(
        "track/<str:token>/files/<int:pk>/", tracking_views.track_file, name="requests_track_file"
    ),
]

"""The customer's private addresses; no account is needed."""

from django.urls import path

from requests_app import tracking_views as views

urlpatterns = [
    # /track/
    path("track/", views.lost, name="requests_lost"),
    path("track/<str:token>/", views.track, name="requests_track"),
    path("track/<str:token>/<path:then>", views.track, name="requests_track_then"),
    # /tracked/<ref>/
    path("tracked/<str:reference>/", views.tracked, name="requests_tracked"),
    path(
        "tracked/<str:reference>/actions/<str:name>/",
        views.tracked_action,
        name="requests_tracked_action",
    ),
    path(
        "tracked/<str:reference>/files/<int:pk>/",
        views.tracked_file,
        name="requests_tracked_file",
    ),
    path("tracked/<str:reference>/rate/", views.rate, name="requests_rate"),
    path("tracked/<str:reference>/rate/<int:score>/", views.rate, name="requests_rate_score"),
    # /unsubscribe/<key>/
    path("unsubscribe/<str:key>/", views.unsubscribe, name="requests_unsubscribe"),
]

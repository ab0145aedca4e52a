"""The addresses of provider groups and their queues."""

from django.urls import path

from fulfillment import views

urlpatterns = [
    # /queues/
    path("queues/", views.queues, name="fulfillment_queues"),
    path("queues/<slug:slug>/", views.group_home, name="fulfillment_group"),
    path("queues/<slug:slug>/pending/", views.pending, name="fulfillment_pending"),
    path("queues/<slug:slug>/take-next/", views.take_next_pending, name="fulfillment_take_next"),
    path("queues/<slug:slug>/assign/", views.assign, name="fulfillment_assign"),
    path("queues/<slug:slug>/schedule/", views.schedule, name="fulfillment_schedule"),
    path(
        "queues/<slug:slug>/schedule/take-next/",
        views.take_next_scheduled,
        name="fulfillment_pull_next",
    ),
    path("queues/<slug:slug>/worklist/", views.worklist, name="fulfillment_worklist"),
]

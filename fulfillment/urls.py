"""The addresses of provider groups and their queues."""

from django.urls import path

from fulfillment.views import feeds, people, queues, replan, schedule

urlpatterns = [
    # /queues/
    path("queues/", queues.queues, name="fulfillment_queues"),
    path("queues/<slug:slug>/", queues.group_home, name="fulfillment_group"),
    path("queues/<slug:slug>/pending/", queues.pending, name="fulfillment_pending"),
    path("queues/<slug:slug>/take-next/", queues.take_next_pending, name="fulfillment_take_next"),
    path("queues/<slug:slug>/assign/", queues.assign, name="fulfillment_assign"),
    path("queues/<slug:slug>/worklist/", queues.worklist, name="fulfillment_worklist"),
    path("queues/<slug:slug>/worklist/figures/", queues.figures, name="fulfillment_figures"),
    # /queues/<group>/schedule/
    path(
        "queues/<slug:slug>/schedule/",
        schedule.schedule,
        name="fulfillment_schedule",
    ),
    path(
        "queues/<slug:slug>/schedule/take-next/",
        schedule.take_next_scheduled,
        name="fulfillment_pull_next",
    ),
    path(
        "queues/<slug:slug>/schedule/calendar/",
        feeds.group_address,
        name="fulfillment_group_calendar",
    ),
    path(
        "queues/<slug:slug>/schedule/move/<slug:reference>/",
        schedule.move,
        name="fulfillment_move",
    ),
    # /calendars/
    path("account/calendar/", feeds.own_address, name="fulfillment_own_calendar"),
    path("calendars/<uuid:key>/<str:signed>.ics", feeds.feed, name="fulfillment_feed"),
    # /queues/<group>/plan/
    path("queues/<slug:slug>/plan/", replan.replan, name="fulfillment_replan"),
    path("queues/<slug:slug>/plan/ask/", replan.ask_for_plan, name="fulfillment_replan_ask"),
    path("queues/<slug:slug>/plan/apply/", replan.apply_plan, name="fulfillment_replan_apply"),
    path(
        "queues/<slug:slug>/plan/discard/",
        replan.discard_plan,
        name="fulfillment_replan_discard",
    ),
    # /queues/<group>/people/
    path("queues/<slug:slug>/people/", people.people, name="fulfillment_people"),
    path("queues/<slug:slug>/people/<int:pk>/hours/", people.hours, name="fulfillment_hours"),
    path("queues/<slug:slug>/people/<int:pk>/leave/", people.leave, name="fulfillment_leave"),
    path(
        "queues/<slug:slug>/people/leave/<int:pk>/delete/",
        people.leave_delete,
        name="fulfillment_leave_delete",
    ),
]

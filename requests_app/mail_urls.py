"""Addresses of mail that came in."""

from django.urls import path

from requests_app import mail_views

urlpatterns = [
    path("mail/", mail_views.mail_list, name="requests_mail"),
    path("mail/<int:pk>/", mail_views.mail_page, name="requests_mail_message"),
    path("mail/<int:pk>/raw/", mail_views.mail_raw, name="requests_mail_raw"),
    path("mail/<int:pk>/actions/<str:name>/", mail_views.mail_action, name="requests_mail_action"),
]

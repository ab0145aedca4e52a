"""Whom we serve and what we offer: agencies, agreements, services."""

from django.apps import AppConfig


class AsdConfig(AppConfig):
    default_auto_field = "django.db.models.BigAutoField"
    name = "asd"

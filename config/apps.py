"""The commands that touch every app live here."""

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

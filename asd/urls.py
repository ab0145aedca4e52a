"""Addresses of the Agency Services Database."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []

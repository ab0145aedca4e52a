"""How the program is put together. Imports every app; is imported by none."""

from config.celery import app as celery_app

__all__ = ["celery_app"]

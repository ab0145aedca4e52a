"""For gunicorn."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
# No page is worth more of the database than this; commands and workers take their time.
os.environ.setdefault("STATEMENT_SECONDS", "15")

application = get_wsgi_application()

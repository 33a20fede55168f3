import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

application = get_wsgi_application()

from django.db import connections  # noqa: E402 - needs the apps

from config.checks import refuse_unsafe_start  # noqa: E402 - needs the apps

refuse_unsafe_start()
connections.close_all()  # a server that forks after this must not share them

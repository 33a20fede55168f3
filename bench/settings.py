"""The product's settings, with the two endpoints of SP-4 and the reference's table besides."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "bench"]
ROOT_URLCONF = "bench.urls"

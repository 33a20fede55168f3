#!/usr/bin/env python
"""Command line of Palier: every operator's task is `manage.py <command> --help`."""

import os
import sys


def main() -> None:
    try:
        "".join(sys.argv).encode()
    except UnicodeEncodeError:
        sys.stderr.write("An argument is not UTF-8.\n")
        sys.exit(2)
    if sys.argv[1:2] != ["runserver"]:
        # What a command says is on its standard output; beside it, on the other, only what went wrong, for people.
        os.environ["LOG_LEVEL"] = os.environ.get("COMMAND_LOG_LEVEL", "WARNING")
        # Nobody asks a command for its counters, and their directory is made by the services (deploy/run).
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        os.environ["LOG_FORMAT"] = os.environ.get("COMMAND_LOG_FORMAT", "console")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

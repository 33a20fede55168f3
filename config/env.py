"""The environment, read once. With no DATABASE_URL set, the running demo's own file is used."""

from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()

DEMO_ENV_FILE = BASE_DIR / ".palier" / "env"

if "DATABASE_URL" not in env.ENVIRON and DEMO_ENV_FILE.exists():
    environ.Env.read_env(str(DEMO_ENV_FILE))

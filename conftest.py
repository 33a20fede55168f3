"""What every test of the repository gets; each plugin says in its first lines why."""

pytest_plugins = [
    "tools.pytest_environment",
    "tools.pytest_databases",
    "tools.pytest_browser",
    "tools.pytest_order",
    "tools.pytest_requirements",
]

"""Development only: embedded PostgreSQL and Redis, the Stripe stand-in, the supervisor of `make demo`.

No application imports this package, and nothing here imports an application: what it needs of them it runs through
`manage.py`.
"""

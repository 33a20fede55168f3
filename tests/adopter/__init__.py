"""An adopter's app that kept its limits as columns of a table, and its migration to Palier's limits: an example that runs.

docs/operations.md, "Coming from columns", tells of it; tests/operations/test_adopter.py runs it there and back.
"""

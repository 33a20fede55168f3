"""`make bench`: what a decision costs, measured beside what others would do, on the same machine in the same run.

    python -m bench [--quick] [--only SP-1,SP-3]

Nothing is relaxed: fsync and synchronous_commit are on, every allowed unit is committed before its caller hears of
it, and the books are read after each scenario. docs/performance.md says what each figure means.
"""

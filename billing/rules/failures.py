"""When failed payments are unlike usual: pure arithmetic."""

LEAST_FAILED = 5
LEAST_SHARE = 0.2
TIMES = 2


def is_jump_of_failures(*, failed: int, tried: int, usual_failed: int, usual_tried: int) -> bool:
    """A fifth of the day's payments at least, and more than twice the share of the four weeks before."""
    if failed < LEAST_FAILED or failed < LEAST_SHARE * tried:
        return False
    return failed * usual_tried > TIMES * usual_failed * tried or usual_tried == 0

"""What the sample product itself may fail with."""


class DeliberateFailure(RuntimeError):
    """The sandbox was asked to fail: no domain error but a crash, so that callers can see how one is answered."""

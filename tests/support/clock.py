"""Time for tests: stands still until a test lets it go on."""


class Clock:
    """Monotonic seconds that only a test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> float:
        """Let time pass. Returns the new time."""
        self.now += seconds
        return self.now

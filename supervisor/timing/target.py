"""What a restart may take."""

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ahead", "within", "over"]


@dataclass(frozen=True, slots=True)
class Target:
    """A range of seconds that a restart should stay in or below."""

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 < self.low <= self.high:
            raise ValueError(f"expected 0 < low <= high, got {self.low} and {self.high}")

    def verdict(self, total: float) -> Verdict:
        """Judge a restart of `total` seconds; both ends of the range are within it."""
        if total < self.low:
            return "ahead"
        return "within" if total <= self.high else "over"

    def __str__(self) -> str:
        return f"{self.low:g}-{self.high:g} s"

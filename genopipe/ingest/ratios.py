"""Shares and means as they are written: rounded decimals, 0 of nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def ratio(part: int, whole: int, digits: int = 6) -> float:
    """`part` of `whole`, rounded; 0 where there is no whole."""
    return round(part / whole, digits) if whole else 0.0


def ratios(part: NDArray[np.int64], whole: NDArray[np.int64], digits: int) -> list[float]:
    """`ratio` of each pair."""
    return [ratio(int(p), int(w), digits) for p, w in zip(part, whole, strict=True)]

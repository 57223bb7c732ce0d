"""Growing boosted trees: gradient boosting of the logistic loss, with histograms over whole numbers.

Each feature is cut into at most `_BINS` bins by its quantiles. A tree is grown level by level: every node takes the cut that gains most, if
any gains enough; its leaves get the Newton step, shortened and rounded to milli-logits. Same rows, same trees.

Sources: Friedman, Greedy function approximation: a gradient boosting machine, Annals of Statistics 29 (2001); Chen and Guestrin, XGBoost,
KDD 2016, equations 5 to 7 for leaf values and gains.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from genopipe.call.forest import Node

_BINS = 64


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees grow: their number and depth, the share of a step that is taken, the weight that holds leaves back, and the least gain and
    least weight (sum of p (1 - p)) of a leaf."""

    n_trees: int = 60
    depth: int = 4
    rate: float = 0.15
    hold: float = 2.0
    least_gain: float = 1.0
    least_weight: float = 0.5


def grow(row: NDArray[np.int64], wrong: NDArray[np.bool_], growth: Growth) -> tuple[int, tuple[tuple[Node, ...], ...]]:
    """The score to begin with and the trees that tell the wrong rows of `row` (rows, features)."""
    cuts = [_cuts(column) for column in row.T]
    binned = np.stack([np.searchsorted(cut, column) for cut, column in zip(cuts, row.T, strict=True)], axis=1)
    share = min(max(wrong.mean(), 1e-4), 1 - 1e-4)
    start = round(1000 * float(np.log(share / (1 - share))))
    score = np.full(len(row), start, np.int64)
    trees = []
    for _ in range(growth.n_trees):
        tree, leaf = _tree(binned, cuts, wrong, score, growth)
        trees.append(tree)
        score += np.array([node[4] for node in tree], np.int64)[leaf]
    return start, tuple(trees)


def _cuts(column: NDArray[np.int64]) -> NDArray[np.int64]:
    """Thresholds between the bins of a feature."""
    values = np.unique(column)
    if len(values) > _BINS:
        values = np.unique(np.quantile(column, np.linspace(0, 1, _BINS), method="lower"))
    return values[:-1]


def _tree(
    binned: NDArray[np.int64], cuts: list[NDArray[np.int64]], wrong: NDArray[np.bool_], score: NDArray[np.int64], growth: Growth
) -> tuple[tuple[Node, ...], NDArray[np.int64]]:
    """One tree, and the leaf that each row comes to."""
    chance = 1 / (1 + np.exp(-score / 1000))
    slope, weight = chance - wrong, chance * (1 - chance)
    nodes: list[Node] = [(-1, 0, 0, 0, 0)]
    leaf = np.zeros(len(binned), np.int64)
    level = [0]
    for _ in range(growth.depth):
        following = []
        for node in level:
            inside = np.flatnonzero(leaf == node)
            best = _best_cut(binned[inside], slope[inside], weight[inside], growth)
            if best is None:
                continue
            feature, place = best
            left, right = len(nodes), len(nodes) + 1
            nodes[node] = (feature, int(cuts[feature][place]), left, right, 0)
            nodes += [(-1, 0, 0, 0, 0)] * 2
            leaf[inside] = np.where(binned[inside, feature] <= place, left, right)
            following += [left, right]
        level = following
    for node in np.unique(leaf).tolist():
        inside = leaf == node
        step = -slope[inside].sum() / (weight[inside].sum() + growth.hold)
        nodes[node] = (-1, 0, 0, 0, round(1000 * growth.rate * float(step)))
    return tuple(nodes), leaf


def _best_cut(binned: NDArray[np.int64], slope: NDArray[np.float64], weight: NDArray[np.float64], growth: Growth) -> tuple[int, int] | None:
    """Feature and last bin of the left side of the cut that gains the most; None where none gains enough."""
    n_features = binned.shape[1]
    cell = (binned + np.arange(n_features) * _BINS).ravel()
    left_slope, left_weight = _summed(cell, slope, n_features), _summed(cell, weight, n_features)
    all_slope, all_weight = slope.sum(), weight.sum()
    gain = _gain(left_slope, left_weight, growth) + _gain(all_slope - left_slope, all_weight - left_weight, growth)
    gain -= _gain(left_slope[:1, -1:], left_weight[:1, -1:], growth)
    gain[(left_weight < growth.least_weight) | (all_weight - left_weight < growth.least_weight)] = 0
    # rounded, so that sums in another order choose the same cut
    best = int(np.argmax(np.round(gain, 6)))
    return divmod(best, _BINS) if gain.flat[best] >= growth.least_gain else None


def _summed(cell: NDArray[np.int64], each: NDArray[np.float64], n_features: int) -> NDArray[np.float64]:
    """(features, bins) sums of the rows up to each bin."""
    rows = np.bincount(cell, np.repeat(each, n_features), n_features * _BINS)
    return rows.reshape(n_features, _BINS).cumsum(axis=1)


def _gain(slope: NDArray[np.float64], weight: NDArray[np.float64], growth: Growth) -> NDArray[np.float64]:
    return slope**2 / (weight + growth.hold)

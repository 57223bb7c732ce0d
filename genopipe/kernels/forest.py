"""Boosted trees over whole numbers: integers in, integers out, so that every machine decides alike.

A tree is walked from its first node: where a node has a feature (not -1), the row goes left if its value is at most the threshold, else
right; the value of the leaf is added to the score.
"""

from __future__ import annotations

from numba import njit


@njit(cache=True, nogil=True)
def add_scores(row, feature, threshold, left, right, value, tree_start, out):  # type: ignore[no-untyped-def]
    """Adds to `out` (rows) int64 the leaf values of all trees; `row` is (rows, features) int64, nodes count from their tree's first."""
    for i in range(len(row)):
        for tree in range(len(tree_start) - 1):
            first = tree_start[tree]
            node = first
            while feature[node] >= 0:
                node = first + (left[node] if row[i, feature[node]] <= threshold[node] else right[node])
            out[i] += value[node]

"""The learnt filter: boosted trees that judge whether the genotype of a record is wrong, and the file that keeps them.

The file says what the trees were trained on and how they did on donors they had not seen. A score is in milli-logits; above 0 a record is
likelier wrong than right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from genopipe.call.features import FEATURES
from genopipe.errors import BadInput
from genopipe.kernels.forest import add_scores
from genopipe.outputs import whole_file, writing

FORMAT = 1
SHIPPED = Path(__file__).with_name("learnt_filter.json")
Node = tuple[int, int, int, int, int]
"""Feature (-1 in a leaf), threshold, left and right node of the tree, value (of a leaf)."""


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees of nodes, the score to begin with, and where they come from."""

    trees: tuple[tuple[Node, ...], ...]
    start: int
    provenance: dict[str, Any]

    def scores(self, features: NDArray[np.int64]) -> NDArray[np.int64]:
        """(rows) int64 milli-logits of each row of `features` (rows, features) int64 being wrong."""
        feature, threshold, left, right, value = np.array([node for tree in self.trees for node in tree], np.int64).reshape(-1, 5).T.copy()
        tree_start = np.cumsum([0, *map(len, self.trees)])
        out = np.full(len(features), self.start, np.int64)
        add_scores(np.ascontiguousarray(features), feature, threshold, left, right, value, tree_start, out)
        return out


def save_forest(forest: Forest, path: Path) -> None:
    """Writes the file."""
    head = {"format": FORMAT, "features": FEATURES, "start": forest.start, "provenance": forest.provenance}
    lines = json.dumps(head, indent=1).removesuffix("\n}")
    trees = ",\n".join("  " + json.dumps(tree, separators=(",", ":")) for tree in forest.trees)
    with whole_file(path) as partial, writing(path):
        partial.write_text(f'{lines},\n "trees": [\n{trees}\n ]\n}}\n')


def load_forest(path: Path) -> Forest:
    """The trees of a file.

    Raises BadInput for a file that is missing, is none, is damaged, or is of another version.
    """
    if not path.is_file():
        raise BadInput(
            "there is no such file", wanted="`learnt`, or a file made by `genopipe train-filter`", do="Correct --filter.", path=path
        )
    try:
        told = json.loads(path.read_text())
        if (told["format"], tuple(told["features"])) != (FORMAT, FEATURES):
            raise BadInput(
                f"format {told['format']} with {len(told['features'])} features",
                wanted=f"format {FORMAT} with the {len(FEATURES)} features of this version",
                do="Train it anew with `genopipe train-filter`.",
                path=path,
            )
        trees = tuple(tuple(_node(node, i, len(tree)) for i, node in enumerate(tree)) for tree in told["trees"])
        return Forest(trees, int(told["start"]), dict(told["provenance"]))
    except (ValueError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"the file is no learnt filter ({error})",
            wanted="a file made by `genopipe train-filter`",
            do="Make it anew, or leave the option out.",
            path=path,
        ) from None


def _node(node: list[int], place: int, n: int) -> Node:
    feature, threshold, left, right, value = node
    if not all(isinstance(number, int) for number in node):
        raise ValueError("a node of other things than whole numbers")
    if feature >= len(FEATURES) or (feature >= 0 and not (place < left < n and place < right < n)):
        raise ValueError("a node that leads nowhere")
    return feature, threshold, left, right, value

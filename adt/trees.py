"""Gradient-boosted trees as arrays.

They are grown with scikit-learn (`adt.training.decoder`), which is not needed to ask them.
"""

from __future__ import annotations

import torch
from torch import nn

_ROWS = 4096  #: rows that go through the trees at a time


class Trees(nn.Module):
    """The sum of what regression trees say (Friedman, 2001).

    Parameters
    ----------
    trees : int
    nodes : int
        Of the largest tree. A leaf is its own left and right branch.
    depth : int
        Of the deepest leaf.
    """

    def __init__(self, trees: int, nodes: int, depth: int):
        super().__init__()
        self.depth = depth
        for name in ("feature", "threshold", "left", "right", "value"):
            self.register_buffer(name, torch.zeros(trees, nodes))
        self.register_buffer("base", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Sums of type float64, shape (n,), of features, shape (n, features)."""
        feature, left, right = (a.long().flatten() for a in (self.feature, self.left, self.right))
        threshold, value = self.threshold.flatten(), self.value.flatten()
        trees, nodes = self.value.shape
        first = torch.arange(trees, device=x.device) * nodes
        told = []
        for rows in x.split(_ROWS):
            node = first.expand(len(rows), -1)
            for _ in range(self.depth):
                lower = rows.gather(1, feature[node]) <= threshold[node]
                node = first + torch.where(lower, left[node], right[node])
            told.append(value[node].double().sum(dim=1) + self.base.double())
        return torch.cat(told)  # of no rows too

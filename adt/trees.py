"""Gradient-boosted trees as arrays.

They are grown with scikit-learn (`adt.training.decoder`), which is not needed to ask them.
"""

from __future__ import annotations

import torch
from torch import nn

_ROWS = 256  #: rows that go through the trees at a time: few, so that they stay in the cache


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
        trees, nodes = self.value.shape
        first = torch.arange(trees, device=x.device)[:, None] * nodes
        branches = torch.stack([self.left.long() + first, self.right.long() + first], -1).flatten()
        feature, threshold = self.feature.long().flatten(), self.threshold.flatten()
        value, told = self.value.flatten(), []
        for rows in x.split(_ROWS):
            node = first[:, 0].expand(len(rows), -1)
            for _ in range(self.depth):
                higher = rows.gather(1, feature[node]) > threshold[node]
                node = branches[2 * node + higher]
            told.append(value[node].double().sum(dim=1) + self.base.double())
        return torch.cat(told)  # of no rows too

"""Gradient-boosted trees as arrays, asked all at once.

They are grown with scikit-learn (`adt.training.decoder`), which is not needed to ask them.
No tree is walked: every question of every tree is asked, and each that is answered "higher" rules
out the leaves on its left, as bits of a number. The first leaf that is left is the one that a walk
would end in (QuickScorer: Lucchese et al., "QuickScorer: a fast algorithm to rank documents with
additive ensembles of regression trees", 2015). A processor compares and masks many numbers at
once, but it fetches node after node one by one.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from ..errors import ConfigError

MOST_LEAVES = 31  #: of a tree: each is a bit
_ROWS = 128  #: rows that are asked at a time: few, so that they stay in the cache


class _Questions(NamedTuple):
    """Of all trees: is a feature above a threshold, and which leaves does that rule out?

    Attributes
    ----------
    feature : ndarray of int, shape (questions, trees)
    rank : ndarray of int32, shape (questions, trees, 1)
        Of the threshold, among those of its feature.
    ruled_out : ndarray of int32, shape (questions, trees, 1)
        Bits of the leaves on the left.
    value : ndarray of float64, shape (trees, leaves)
        Of the leaves, from left to right.
    thresholds : list of ndarray
        Of each feature, in rising order.
    """

    feature: np.ndarray
    rank: np.ndarray
    ruled_out: np.ndarray
    value: np.ndarray
    thresholds: list[np.ndarray]


class Trees(nn.Module):
    """The sum of what regression trees say (Friedman, 2001).

    Parameters
    ----------
    trees : int
    nodes : int
        Of the largest tree, twice `MOST_LEAVES` less one at most. Branches come after the
        node that they part from; a leaf is its own left and right branch.
    """

    def __init__(self, trees: int, nodes: int):
        super().__init__()
        if nodes > 2 * MOST_LEAVES - 1:
            raise ConfigError(f"trees of {nodes // 2 + 1} leaves; {MOST_LEAVES} are the most")
        for name in ("feature", "left", "right", "value"):
            self.register_buffer(name, torch.zeros(trees, nodes))
        # Kept in single precision: rounded further, .004 of the F-measure are lost.
        self.register_buffer("threshold", torch.zeros(trees, nodes, dtype=torch.float64))
        self.register_buffer("base", torch.zeros(1))

    @cached_property
    def _questions(self) -> _Questions:
        feature, left, right = (getattr(self, name).numpy().astype(int)
                                for name in ("feature", "left", "right"))
        trees, nodes = left.shape
        every, leaf = np.arange(trees), left == np.arange(nodes)
        leaves = np.where(leaf, 1, 0)  # below each node
        for node in range(nodes - 1, -1, -1):
            branches = leaves[every, left[:, node]] + leaves[every, right[:, node]]
            leaves[:, node] = np.where(leaf[:, node], 1, branches)
        first, reached = np.zeros((2, trees, nodes), int)  # the leftmost leaf below each node
        reached[:, 0] = 1
        for node in range(nodes):
            go = every[(reached[:, node] == 1) & ~leaf[:, node]]
            low, high = left[go, node], right[go, node]
            first[go, low] = first[go, node]
            first[go, high] = first[go, node] + leaves[go, low]
            reached[go, low] = reached[go, high] = 1
        asks = (reached == 1) & ~leaf
        order = np.argsort(~asks, axis=1, kind="stable")[:, :max(1, asks.sum(axis=1).max())]
        below = np.take_along_axis(leaves, np.where(asks, left, 0), 1)
        ruled_out = np.where(asks, ((1 << below) - 1) << first, 0)
        value = np.zeros((trees, MOST_LEAVES))
        tree, node = np.nonzero((reached == 1) & leaf)
        value[tree, first[tree, node]] = self.value.numpy()[tree, node]
        feature, threshold, ruled_out = (np.take_along_axis(a, order, 1).T.copy() for a in (
            feature, self.threshold.numpy(), ruled_out))
        rank, thresholds = np.zeros(feature.shape, np.int32), []
        for number in range(feature.max() + 1):
            mine = feature == number
            found, rank[mine] = np.unique(threshold[mine], return_inverse=True)
            thresholds.append(found)
        return _Questions(feature, rank[..., None], ruled_out[..., None].astype(np.int32), value,
                          thresholds)

    def forward(self, x: np.ndarray) -> np.ndarray:
        """Sums of type float64, shape (n,), of features, shape (n, features)."""
        questions = self._questions
        ranks = np.stack([np.searchsorted(found, column).astype(np.int32)
                          for found, column in zip(questions.thresholds, x.T)])
        told = [np.zeros(0)]  # of no rows too
        for start in range(0, len(x), _ROWS):
            rows = np.ascontiguousarray(ranks[:, start:start + _ROWS])
            out = np.zeros((len(questions.value), rows.shape[1]), np.int32)
            answer = np.empty_like(out)
            for feature, rank, ruled_out in zip(*questions[:3]):
                np.take(rows, feature, axis=0, out=answer, mode="clip")
                np.subtract(rank, answer, out=answer)
                np.right_shift(answer, 31, out=answer)  # all bits where the feature is higher
                np.bitwise_and(answer, ruled_out, out=answer)
                np.bitwise_or(out, answer, out=out)
            left = np.log2((~out & (out + 1)).astype(np.float32)).astype(int)
            told.append(np.take_along_axis(questions.value, left, 1).sum(axis=0))
        return np.concatenate(told) + self.base.double().item()

"""Places of values among others, as features of networks."""

from __future__ import annotations

import numpy as np


def ranks(values: np.ndarray) -> np.ndarray:
    """Place of each value among all, from 0 (the least) to 1; equal ones in their order.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    ndarray of float64, shape (n,)
    """
    order = np.argsort(values, kind="stable")
    return np.argsort(order, kind="stable") / max(1, len(values) - 1)

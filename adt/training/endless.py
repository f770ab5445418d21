"""Endless clips as a torch data set: every training draws its own kind from a generator."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch

Maker = Callable[[np.random.Generator], dict[str, np.ndarray]]


class Endless(torch.utils.data.IterableDataset):
    """Clips first, first + 1, … of a seed, dealt out to the workers block by block.

    Parameters
    ----------
    make : callable
        Generator → a clip's arrays by name.
    seed : int
    first : int
        Number of the first clip: a run that goes on does so with the clips it has not seen.
    stop : int, optional
        Number of the first clip that does not come; without it they do not end.
    block : int
        Clips that a worker makes one after the other: a batch, whose clips then do not depend
        on how many workers there are.
    """

    def __init__(self, make: Maker, seed: int, first: int = 0, stop: int | None = None,
                 block: int = 1):
        self.make, self.seed, self.first, self.stop = make, seed, first, stop
        self.block = block

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        start = self.first + self.block * (worker.id if worker else 0)
        step = self.block * (worker.num_workers if worker else 1)
        while self.stop is None or start < self.stop:
            stop = start + self.block
            for number in range(start, stop if self.stop is None else min(stop, self.stop)):
                clip = self.make(np.random.default_rng([self.seed, number]))
                yield {name: torch.from_numpy(value) for name, value in clip.items()}
            start += step


def loader(make: Maker, config: dict, first: int = 0, stop: int | None = None,
           batch: bool = True) -> torch.utils.data.DataLoader:
    """Clips or batches of them, made by as many processes as the configuration says on Linux.

    Parameters
    ----------
    make : callable
    config : dict
        ``train.seed``, ``train.batch`` and ``data.workers``.
    first, stop : int
        See `Endless`.
    batch : bool
        Batches of ``train.batch``, or one clip after the other.
    """
    # elsewhere processes cannot be forked, at least not safely
    workers = config["data"]["workers"] if sys.platform == "linux" else 0
    size = config["train"]["batch"] if batch else None
    seed = config["train"]["seed"]
    return torch.utils.data.DataLoader(
        Endless(make, seed, first, stop, size or 1), batch_size=size, num_workers=workers,
        # of its own, or else it takes a number of those that a resumed run's layers go on with
        generator=torch.Generator().manual_seed(seed),
        prefetch_factor=8 if workers else None,
        multiprocessing_context="fork" if workers else None)

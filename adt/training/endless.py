"""Endless clips as a torch data set: every training draws its own kind from a generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

Maker = Callable[[np.random.Generator], dict[str, np.ndarray]]


class Endless(torch.utils.data.IterableDataset):
    """Clips first, first + 1, … of a seed, dealt out to the workers.

    Parameters
    ----------
    make : callable
        Generator → a clip's arrays by name.
    seed : int
    first : int
        Number of the first clip: a run that goes on does so with the clips it has not seen.
    stop : int, optional
        Number of the first clip that does not come; without it they do not end.
    """

    def __init__(self, make: Maker, seed: int, first: int = 0, stop: int | None = None):
        self.make, self.seed, self.first, self.stop = make, seed, first, stop

    def __iter__(self):
        worker = torch.utils.data.get_worker_info()
        number = self.first + (worker.id if worker else 0)
        step = worker.num_workers if worker else 1
        while self.stop is None or number < self.stop:
            clip = self.make(np.random.default_rng([self.seed, number]))
            yield {name: torch.from_numpy(value) for name, value in clip.items()}
            number += step


def loader(make: Maker, config: dict, first: int = 0, stop: int | None = None,
           batch: bool = True) -> torch.utils.data.DataLoader:
    """Clips or batches of them, made by as many processes as the configuration says.

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
    workers = config["data"]["workers"]
    return torch.utils.data.DataLoader(
        Endless(make, config["train"]["seed"], first, stop),
        batch_size=config["train"]["batch"] if batch else None, num_workers=workers,
        prefetch_factor=8 if workers else None,
        multiprocessing_context="fork" if workers else None)

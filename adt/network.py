"""Running networks over long signals: loading, batch-norm fusion, chunks with margins.

On a CPU every thread works on a chunk of its own, which is faster than all threads on
one: they need not wait for each other after each layer. On a GPU chunks run in batches.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from threading import Barrier, Lock, RLock
from typing import Any, Callable, Iterable, Iterator, TypeVar

import numpy as np
import torch
from torch import nn

from . import integers
from .errors import ConfigError, WeightsError
from .weights import REMEDY, load_largest, load_weights

CHUNK = 1536  #: frames kept of a chunk, at most: layers over frames and bands are large
_SHORT_CHUNK = 512  #: signals are not shared out among threads in smaller pieces
BATCH = 16  #: chunks that a GPU takes at once
_DEFAULTS = RLock()
MULTIPLE = 8  #: frames that chunks are aligned to (the bank's deepest stride)


def pick_device(name: str | torch.device) -> torch.device:
    """Device by name: ``cpu``, ``cuda``, ``cuda:N``, ``mps`` or ``auto`` (an NVIDIA GPU if any).

    Raises
    ------
    ConfigError
        If the device is not usable here.
    """
    if str(name) == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {name!r} is not usable here "
                          f"({str(error).splitlines()[0]}); use cpu") from error
    return device


def fuse(model: nn.Module) -> nn.Module:
    """Fold every batch norm into the convolution before it, in place (for inference)."""
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    for module in model.modules():
        if isinstance(module, nn.Sequential):
            names = list(module._modules)
            for first, second in zip(names, names[1:]):
                conv, norm = module._modules[first], module._modules[second]
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module._modules[first] = fuse_conv_bn_eval(conv, norm)
                    module._modules[second] = nn.Identity()
    return model


def short_floats(device: torch.device) -> torch.dtype:
    """bfloat16 where the processor multiplies it faster than float32, or float32."""
    there = device.type == "cpu" and integers.capable("avx512_bf16")
    return torch.bfloat16 if there else torch.float32


def prefers_integers(device: torch.device) -> bool:
    """Whether integers of eight bits are faster than floats: wherever a processor has AVX2."""
    return device.type == "cpu" and integers.usable()


@contextmanager
def _as_torch_comes() -> Iterator[None]:
    """Torch's own default type and device, and random numbers of our own, whatever its user set."""
    with _DEFAULTS:  # they are the process's
        of_user = torch.get_default_dtype()
        torch.set_default_dtype(torch.float32)
        try:
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                yield
        finally:
            torch.set_default_dtype(of_user)


@_as_torch_comes()
def load_network(make: Callable[..., nn.Module], kind: str, name: Path | str,
                 device: torch.device) -> tuple[nn.Module, dict[str, Any]]:
    """A network ready for inference, and the description of its weights.

    Layers compute in integers (`adt.integers`) where that is fastest and the weights tell how
    large activations become; else those that a network lists in ``inner_layers`` get
    `short_floats`. On a CPU, networks of groups without short floats are taken apart
    (`adt.grouped`).

    Raises
    ------
    WeightsError
        If the weights are of another kind or do not fit the network.
    """
    tensors, description = load_weights(name)
    if description.get("kind") != kind:
        raise WeightsError(f"{name}: weights of {description.get('kind')!r}, not of {kind!r}; "
                           f"{REMEDY}")
    try:
        model = make(**description["model"])
        missing, unknown = model.load_state_dict(tensors, strict=False)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{name}: weights do not fit the network "
                           f"({str(error).splitlines()[-1].strip()}); {REMEDY}") from error
    missing = [m for m in missing if not m.endswith("num_batches_tracked")]
    if missing or unknown:
        raise WeightsError(f"{name}: weights do not fit the network "
                           f"(missing {missing[:3]}, unknown {list(unknown)[:3]}); {REMEDY}")
    model = fuse(model.eval()).to(device, memory_format=torch.channels_last)
    if hasattr(model, "take_apart"):
        _choose_numbers(model, name, device)
    return model.requires_grad_(False), description


def _choose_numbers(model: nn.Module, name: Path | str, device: torch.device) -> None:
    """Let a model of groups compute in the numbers, and the order, that are fastest."""
    largest = load_largest(name) if prefers_integers(device) else {}
    needed = model.measured().keys()
    whole = bool(needed) and largest.keys() >= needed
    short = torch.float32 if whole else short_floats(device)
    for layer in model.inner_layers:
        getattr(model, layer).to(short)
    if device.type != "cpu" or short != torch.float32:
        return
    try:
        model.take_apart(largest if whole else None)
    except RuntimeError as error:
        raise WeightsError(f"{name}: largest activations are not those of the network "
                           f"({str(error).splitlines()[0]}); {REMEDY}") from error


def chunks(n_frames: int, margin: int, chunk: int | None = None,
           most: int | None = None) -> Iterator[tuple[slice, slice]]:
    """Cut frames into chunks with margins.

    Parameters
    ----------
    n_frames : int
    margin : int
        Frames of context either side. As many as the networks can see, and what is kept of a
        chunk does not depend on where it was cut (with `short_floats` it does by some 1e-3, so
        that another number of threads is as good as another machine).
    chunk : int, optional
        Frames to keep of each; by default `CHUNK`, or less where that gives every
        thread a share of a short signal.
    most : int, optional
        Frames to keep of each at most, in place of `CHUNK`.

    Yields
    ------
    (slice, slice)
        Frames to read, and which of the frames read to keep.
    """
    if chunk is None:
        share = -(-n_frames // (MULTIPLE * torch.get_num_threads())) * MULTIPLE
        chunk = min(most or CHUNK, max(_SHORT_CHUNK, share))
    for start in range(0, n_frames, chunk):
        stop = min(n_frames, start + chunk)
        low, high = max(0, start - margin), min(n_frames, stop + margin)
        yield slice(low, high), slice(start - low, stop - low)


def rounded(frames: int) -> int:
    """The next multiple of `MULTIPLE`."""
    return -(-frames // MULTIPLE) * MULTIPLE


def aligned(frames: np.ndarray) -> np.ndarray:
    """Repeat the last frame until the number of frames is a multiple of `MULTIPLE`."""
    short = -len(frames) % MULTIPLE
    return np.pad(frames, ((0, short), (0, 0)), mode="edge") if short else frames


def in_batches(pieces: Iterable[tuple[slice, slice]],
               device: torch.device) -> Iterator[list[tuple[slice, slice]]]:
    """Gather consecutive chunks of one length: `BATCH` on a GPU, single ones on a CPU."""
    size = 1 if device.type == "cpu" else BATCH
    for _, equal in groupby(pieces, key=lambda piece: piece[0].stop - piece[0].start):
        while batch := list(islice(equal, size)):
            yield batch


_Item, _Result = TypeVar("_Item"), TypeVar("_Result")
_STARTING = Lock()  #: while a pool starts, torch's number of threads is not what it should be

if hasattr(os, "register_at_fork"):  # the other threads of a process are not in its child
    os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))


def _alone() -> None:
    """Let the calling thread compute without the help of others."""
    torch.get_num_threads()  # a thread's first question sets its number to that of the process
    torch.set_num_threads(1)


class Pool(ThreadPoolExecutor):
    """Threads, each with one thread of torch's own.

    Attributes
    ----------
    threads : int
    """

    def __init__(self, threads: int):
        super().__init__(threads, "adt", _alone)
        self.threads = threads


@contextmanager
def workers(device: torch.device) -> Iterator[Pool]:
    """As many threads as torch uses on a CPU; one for another device, which is kept busy by it."""
    with _STARTING:
        threads = torch.get_num_threads()
        pool = Pool(threads if device.type == "cpu" else 1)
        everyone = Barrier(pool.threads)
        list(pool.map(lambda _: everyone.wait(), range(pool.threads)))
        torch.set_num_threads(threads)  # what the pool set is the default of new threads too
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def in_parallel(function: Callable[[_Item], _Result], items: Iterable[_Item],
                pool: Pool, ahead: int = 2) -> Iterator[_Result]:
    """Results of a function in the order of the items, several at work at a time (`workers`).

    Items are taken only a few ahead of the results (`ahead` more than there are threads), so that
    memory does not grow with their number; they may be results of another function in the same
    pool.
    """
    waiting = deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) >= pool.threads + ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def in_turn(function: Callable[[_Item], _Result], items: Iterable[_Item],
            pool: Pool) -> Iterator[_Result]:
    """Results of a function that takes the items in order, one at a time.

    While it is at work on one, whatever makes the items goes on in the same pool.
    """
    running = None
    for item in items:
        result = running and running.result()
        done, running = running, pool.submit(function, item)
        if done:
            yield result
    if running:
        yield running.result()

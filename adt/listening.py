"""Bank and detectors over a whole song.

Frames are looked at in blocks that overlap (bank, and the detectors' layers over frames and
bands); the detectors listen to what was seen block after block (`adt.streaming`). Where
blocks are cut leaves no more trace than the rounding of `adt.network.short_floats`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from separation.bank import UNetBank

from .detectors import OnsetDetectors, stem_decibel
from .features import N_BANDS, to_decibel, unpack
from .levels import GROUPS
from .levels import levels as group_levels
from .network import (
    Pool,
    aligned,
    chunks,
    in_batches,
    in_parallel,
    in_turn,
    rounded,
    workers,
)
from .progress import Progress
from .streaming import Streamed, through
from .toms.pitch import BANDS as TOM_BANDS
from .toms.pitch import tom_bands
from .vocabulary import PIECES, STEMS

MOST_LOGITS = 120_000  #: frames of the longest song (20 minutes) whose mask logits are kept
_WHOLE = 2304  #: frames of a block in integers, which take a quarter of the memory of floats
_HANDS = 3  #: groups of the layers that listen; each may be at work on a part of its own


class Heard(NamedTuple):
    """What bank and detectors say.

    Attributes
    ----------
    out : ndarray of float32, shape (3, frames, 9)
        Onset and velocity, 0..1, and offset in frames.
    levels : ndarray of float16, shape (frames, sources, GROUPS)
        See `adt.levels`.
    toms : ndarray of float16, shape (frames, bands)
        See `adt.toms.pitch`.
    logits : ndarray of float16, shape (5, frames, N_BANDS), or None
        Mask logits, where they are wanted and there is a bank.
    """

    out: np.ndarray
    levels: np.ndarray
    toms: np.ndarray
    logits: np.ndarray | None = None


def decibel(bands: np.ndarray, level: float, batch: list[tuple[slice, slice]]) -> np.ndarray:
    """dB of a batch of blocks of packed bands, shape (blocks, frames, bands)."""
    return np.stack([aligned(to_decibel(unpack(bands[read]), level)) for read, _ in batch])


def _place(read: slice, keep: slice) -> slice:
    """Where the frames that are kept of those read lie in the song."""
    return slice(read.start + keep.start, read.start + keep.stop)


class Ear:
    """Bank and detectors, or detectors that read the mixture alone.

    Parameters
    ----------
    bank : UNetBank or None
    network : OnsetDetectors
    device : torch.device
    """

    def __init__(self, bank: UNetBank | None, network: OnsetDetectors, device: torch.device):
        self.bank, self.network, self.device = bank, network, device

    def __call__(self, bands: np.ndarray, level: float,
                 progress: Progress | None = None, keep_logits: bool = False) -> Heard:
        """Bands → what the networks say.

        Parameters
        ----------
        bands : ndarray, shape (frames, bands)
            From `adt.features.pack`.
        level : float
            From `adt.features.reference_level`.
        progress : callable, optional
            Gets the share done, 0..1.
        keep_logits : bool
            Keep the mask logits of all but very long songs (`MOST_LOGITS`).
        """
        n = rounded(len(bands))
        keep_logits = keep_logits and self.bank is not None and n <= MOST_LOGITS
        sources = 1 if self.bank is None else len(STEMS) + 1
        kept = Heard(np.zeros((3, n, len(PIECES)), np.float32),
                     np.zeros((n, sources, GROUPS), np.float16),
                     np.zeros((n, TOM_BANDS), np.float16),
                     np.zeros((len(STEMS), n, N_BANDS), np.float16) if keep_logits else None)
        with workers(self.device) as pool:
            done = 0
            for heard in self.listen(self._seen(bands, level, kept, pool), n, pool):
                kept.out[:, done: done + heard.shape[1]] = heard
                done += heard.shape[1]
                if progress:
                    progress(done / n)
        return Heard(kept.out[:, : len(bands)], kept.levels[: len(bands)],
                     kept.toms[: len(bands)],
                     kept.logits[:, : len(bands)] if keep_logits else None)

    def blocks(self, n: int) -> Iterator[list[tuple[slice, slice]]]:
        """Batches of blocks of so many frames, see `adt.network.chunks`."""
        margin = rounded(self.network.look_margin + (self.bank.margin if self.bank else 0))
        most = _WHOLE if self.network.in_integers else None
        return in_batches(chunks(n, margin, most=most), self.device)

    @torch.inference_mode()
    def stems(self, decibel: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Blocks in dB → the same on the device, and their stems if there is a bank."""
        mixture, _, stems = self._masked(decibel)
        return mixture, stems

    def _masked(self, decibel: np.ndarray
                ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """The same, with the mask logits between."""
        mixture = torch.from_numpy(decibel).to(self.device)
        if self.bank is None:
            return mixture, None, None
        logits = self.bank(mixture)
        return mixture, logits, stem_decibel(mixture, logits)

    @torch.inference_mode()
    def look(self, mixture: torch.Tensor, stems: torch.Tensor | None) -> torch.Tensor:
        """Blocks and stems → what `listen` takes, shape (blocks, channels, 1, frames)."""
        return self.network.look(mixture, stems)

    def listen(self, seen: Iterable[torch.Tensor], n: int, pool: Pool) -> Iterator[np.ndarray]:
        """What was seen of a song, part after part → what is heard in it.

        Parameters
        ----------
        seen : iterable of Tensor, shape (1, channels, 1, frames)
            From `look`, without margins.
        n : int
            Frames of all parts.
        pool : adt.network.Pool

        Yields
        ------
        ndarray of float32, shape (3, frames, 9)
            Onset and velocity, 0..1, and offset in frames.
        """
        layers = [*self.network.streamed(), Streamed(_chances)]
        size = -(-len(layers) // _HANDS)
        passed = self._counted(seen, n)
        for first in range(0, len(layers), size):  # each hand has its own part at work
            passed = in_turn(partial(_pass_on, layers[first: first + size]), passed, pool)
        for heard, _ in passed:
            if heard is not None:
                yield heard[0].cpu().numpy()

    @staticmethod
    def _counted(seen: Iterable[torch.Tensor], n: int) -> Iterator[tuple[torch.Tensor, bool]]:
        """Parts, and whether they are the last."""
        done = 0
        for part in seen:
            done += part.shape[-1]
            yield part, done == n

    def _seen(self, bands: np.ndarray, level: float, kept: Heard,
              pool: Pool) -> Iterator[torch.Tensor]:
        """What was seen, part after part; keeps all else that is wanted."""
        @torch.inference_mode()
        def look(batch):
            mixture, logits, stems = self._masked(decibel(bands, level, batch))
            loud, pitched = group_levels(mixture, stems), tom_bands(mixture, stems)
            said = None if kept.logits is None else logits.half().cpu().numpy()
            return batch, self.look(mixture, stems), loud.cpu().numpy(), pitched.cpu().numpy(), said

        for batch, seen, loud, pitched, said in in_parallel(
                look, self.blocks(rounded(len(bands))), pool):
            for i, (read, keep) in enumerate(batch):
                place = _place(read, keep)
                kept.levels[place] = loud[i, keep]
                kept.toms[place] = pitched[i, keep]
                if said is not None:
                    kept.logits[:, place] = said[i, :, keep]
            yield joined(seen, batch)


def _chances(heard: torch.Tensor) -> torch.Tensor:
    """Onset and velocity as 0..1 instead of logits, in place."""
    heard[:, :2] = heard[:, :2].sigmoid()
    return heard


@torch.inference_mode()
def _pass_on(layers: list[Streamed], passed: tuple[torch.Tensor | None, bool]
             ) -> tuple[torch.Tensor | None, bool]:
    part, last = passed
    return through(layers, part, last), last


def joined(seen: torch.Tensor, batch: list[tuple[slice, slice]]) -> torch.Tensor:
    """What was seen of blocks that follow each other, without their margins, as one part."""
    return torch.cat([seen[i: i + 1, ..., keep] for i, (_, keep) in enumerate(batch)], dim=-1)

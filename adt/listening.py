"""Bank and detectors over a whole song.

Every frame is looked at once, in blocks (bank, and the detectors' layers over frames and
bands); then the detectors listen in chunks that overlap by all that they can hear. Where
blocks and chunks are cut leaves no more trace than the rounding of
`adt.network.short_floats`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from separation.bank import UNetBank

from .detectors import OnsetDetectors, stem_decibel
from .features import to_decibel, unpack
from .levels import GROUPS
from .levels import levels as group_levels
from .network import Pool, aligned, chunks, in_batches, in_parallel, rounded, workers
from .progress import Progress
from .toms.naming import BANDS as TOM_BANDS
from .toms.naming import tom_bands
from .vocabulary import PIECES, STEMS

_BLOCK = 1024  #: frames looked at at once: layers over frames and bands are large


class Heard(NamedTuple):
    """What bank and detectors say.

    Attributes
    ----------
    out : ndarray of float32, shape (3, frames, 9)
        Onset and velocity, 0..1, and offset in frames.
    levels : ndarray of float16, shape (frames, sources, GROUPS)
        See `adt.levels`.
    toms : ndarray of float16, shape (frames, bands), or None
        See `adt.toms.naming`; None without a bank.
    """

    out: np.ndarray
    levels: np.ndarray
    toms: np.ndarray | None


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
                 progress: Progress | None = None) -> Heard:
        """Bands → what the networks say.

        Parameters
        ----------
        bands : ndarray, shape (frames, bands)
            From `adt.features.pack`.
        level : float
            From `adt.features.reference_level`.
        progress : callable, optional
            Gets the share done, 0..1.
        """
        n = rounded(len(bands))
        sources = 1 if self.bank is None else len(STEMS) + 1
        kept = Heard(np.zeros((3, n, len(PIECES)), np.float32),
                     np.zeros((n, sources, GROUPS), np.float16),
                     None if self.bank is None else np.zeros((n, TOM_BANDS), np.float16))
        with workers(self.device) as pool:
            windows = self.windows(n, self._seen(bands, level, kept, pool))
            for batch, heard in in_parallel(
                    lambda window: (window[0], self.listen(window[1])), windows, pool):
                for (read, keep), own in zip(batch, heard):
                    place = _place(read, keep)
                    kept.out[:, place] = own[:, keep]
                if progress:
                    progress(place.stop / n)
        return Heard(kept.out[:, : len(bands)], kept.levels[: len(bands)],
                     None if kept.toms is None else kept.toms[: len(bands)])

    def blocks(self, n: int) -> Iterator[list[tuple[slice, slice]]]:
        """Batches of blocks of so many frames, see `adt.network.chunks`."""
        margin = rounded(self.network.look_margin + (self.bank.margin if self.bank else 0))
        return in_batches(chunks(n, margin, most=_BLOCK), self.device)

    @torch.inference_mode()
    def stems(self, decibel: np.ndarray) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Blocks in dB → the same on the device, and their stems if there is a bank."""
        mixture = torch.from_numpy(decibel).to(self.device)
        return mixture, None if self.bank is None else stem_decibel(mixture, self.bank(mixture))

    @torch.inference_mode()
    def look(self, mixture: torch.Tensor, stems: torch.Tensor | None) -> torch.Tensor:
        """Blocks and stems → what `listen` hears, shape (blocks, channels, 1, frames)."""
        return self.network.look(mixture, stems)

    @torch.inference_mode()
    def listen(self, seen: torch.Tensor) -> np.ndarray:
        """What was seen of chunks → onset, velocity and offset, (chunks, 3, frames, 9)."""
        heard = self.network.listen(seen)
        heard[:, :2] = heard[:, :2].sigmoid()
        return heard.cpu().numpy()

    def _seen(self, bands: np.ndarray, level: float, kept: Heard,
              pool: Pool) -> Iterator[torch.Tensor]:
        """What was seen, block after block; keeps levels and toms."""
        def look(batch):
            mixture, stems = self.stems(decibel(bands, level, batch))
            loud = group_levels(mixture, stems).cpu().numpy()
            pitched = None if stems is None else tom_bands(stems).cpu().numpy()
            return batch, self.look(mixture, stems), loud, pitched

        for batch, seen, loud, pitched in in_parallel(
                look, self.blocks(rounded(len(bands))), pool):
            for i, (read, keep) in enumerate(batch):
                place = _place(read, keep)
                kept.levels[place] = loud[i, keep]
                if kept.toms is not None:
                    kept.toms[place] = pitched[i, keep]
                yield seen[i, ..., keep]

    def windows(self, n: int, seen: Iterator[torch.Tensor]
                ) -> Iterator[tuple[list, torch.Tensor]]:
        """Batches of chunks that overlap: where they lie, and what was seen of them."""
        margin = self.network.listen_margin
        first, parts = 0, []
        for batch in in_batches(chunks(n, margin), self.device):
            stop = first + sum(part.shape[-1] for part in parts)
            while stop < batch[-1][0].stop:
                parts.append(next(seen))
                stop += parts[-1].shape[-1]
            whole = torch.cat(parts, dim=-1)
            yield batch, torch.stack([whole[..., read.start - first: read.stop - first]
                                      for read, _ in batch])
            begin = max(first, _place(*batch[-1]).stop - margin)  # of what the next chunk reads
            first, parts = begin, [whole[..., begin - first:]]

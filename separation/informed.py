"""Masks informed by the hits of the song itself.

The bank hears about a second either side and never learns that a song's kick sounds the same
all the time. Where strokes fall together, what each piece sounds like elsewhere in the song tells
them apart: every piece gets two templates of how its strokes begin and ring, which are fitted,
with a gain for each stroke, first to the stem that the bank gives it, then all together to the
mixture. The residual is the bank's throughout: what is drums is not decided anew (the Wiener step,
which comes after, sharpens that as well, so that the sum of the stems changes by a hundredth).

Non-negative matrix factor deconvolution (Smaragdis, "Non-negative matrix factor
deconvolution", 2004) with known onsets, as in Dittmar & Müller, "Reverse engineering the Amen
break – score-informed separation and restoration applied to drum recordings", 2016; here with
the bank's masks, which it starts from and is joined with, and with strokes that the bank hears
and the hits lack. Before that, what the bank took for a stroke of another stem (a low tom for a
kick, a tom for a snare, a cymbal for a hat) goes where a sure hit says.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import Iterable

import numpy as np
import torch

from adt.errors import ConfigError
from adt.features import N_BINS, band_filters
from adt.frames import time_to_frames
from adt.peaks import apart, local_maxima
from adt.transcription import Hit
from adt.vocabulary import CLASS_TO_PIECE, PIECE_TO_STEM, STEM_TO_PIECES, STEMS, stem_of

_SINGLE = 64  #: bins that are groups of their own; above, groups widen with every octave
_BEFORE = 2  #: frames by which a template begins before the onset: half a window
#: Frames that templates last: what rings on is the bank's to tell.
_LENGTHS = {"kick": 60, "snare": 60, "toms": 150, "hihat": 60, "cymbals": 150}
_EXPONENT = 0.6  #: of power, in which strokes are taken to add up (magnitudes are 0.5)
_EACH, _ALL = 3, 6  #: iterations on the bank's stems, and on the mixture
_FLOOR = 1e-2  #: least share of power by the templates
_TINY = 1e-7
_NOTHING = 1e-20  #: power of a group in which nothing sounds
_LATEST = 1e9  #: s, later than any audio ends
# Strokes that the hits lack: rises of a stem's level, as parts of those at its hits.
_LEAST = 0.2  #: their usual rise, at least, as a part of the stem's largest
_HEARD = 0.2  #: where no stroke of another stem is
_BESIDE = 0.4  #: beside one
_LOUD = 0.6  #: level in that of all drums, beside one
_APART = 3  #: frames between strokes of a piece, at least
_NEAR = 4  #: frames within which two strokes are one
# Strokes that the bank took for another stem's.
_LEVEL, _ONSET = 3, 6  #: frames before a stroke and of its beginning that tell what rises
_LITTLE = 0.2  #: of what rises in its own stem
#: What is struck, what the bank may take it for, and the confidence from which a hit is believed:
#: hats and cymbals are believed where they are known, as in a corrected transcription.
_ALIKE = (("kick", "toms", 0.9), ("toms", "kick", 0.9), ("snare", "toms", 0.9),
          ("toms", "snare", 0.9), ("hihat", "cymbals", 0.99), ("cymbals", "hihat", 0.99))


@dataclass(frozen=True)
class Strokes:
    """What is known of the strokes in a stretch of audio, in order of time.

    Attributes
    ----------
    frames : ndarray of int, shape (n,)
    pieces : ndarray of str, shape (n,)
        Names of pieces, or of classes of a reduced set.
    velocities : ndarray of float32, shape (n,)
        0 to 1.
    confidence : ndarray of float32, shape (n,)
        0 to 1: how far they are to be believed rather than the bank.
    """

    frames: np.ndarray
    pieces: np.ndarray
    velocities: np.ndarray
    confidence: np.ndarray

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def stems(self) -> np.ndarray:
        """Names of the strokes' stems, shape (n,)."""
        return np.array([stem_of(piece) for piece in self.pieces], dtype=object)

    @classmethod
    def of(cls, hits: Iterable[Hit]) -> Strokes:
        """Those of a transcription, or of hits of any order.

        Raises
        ------
        adt.errors.ConfigError
            If the transcription has no toms and cymbals, or a hit is none, is of no piece or class,
            at no time, or of a velocity beyond 0 to 127; or if `hits` is the name of a file.
        """
        if getattr(hits, "classes", 9) == 3:
            raise ConfigError("a transcription of 3 classes has no toms and cymbals to tell stems "
                              "apart by; give one of 5, 7 or 9")
        if isinstance(hits, (str, os.PathLike)):
            raise ConfigError(f"hits: {hits} is a file; give adt.Transcription.load of it")
        hits = list(hits)
        for hit in hits:
            if not (isinstance(hit, Hit)
                    and CLASS_TO_PIECE.get(hit.piece, hit.piece) in PIECE_TO_STEM
                    and math.isfinite(hit.time) and abs(hit.time) < _LATEST
                    and 0 <= hit.velocity <= 127):
                raise ConfigError(f"{hit}: no hit to tell stems apart by; times are in seconds, "
                                  f"velocities 0 to 127, pieces {', '.join(PIECE_TO_STEM)} or "
                                  "classes that stand for them")
        hits.sort(key=lambda hit: hit.time)
        return cls(np.rint(time_to_frames([hit.time for hit in hits])).astype(np.int64),
                   np.array([hit.piece for hit in hits], dtype=object),
                   np.array([hit.velocity for hit in hits], np.float32) / 127,
                   np.array([hit.confidence for hit in hits], np.float32))

    def within(self, first: int, stop: int) -> Strokes:
        """Those from frame `first` on and before `stop`, counted from `first`."""
        part = slice(*np.searchsorted(self.frames, [first, stop]))
        return Strokes(self.frames[part] - first, self.pieces[part], self.velocities[part],
                       self.confidence[part])


def _first_bins() -> np.ndarray:
    """Lowest bin of each group."""
    first, width = list(range(_SINGLE)), 2
    while first[-1] + width < N_BINS:
        start = first[-1] + width // 2
        first += range(start, min(2 * start, N_BINS), width)
        width *= 2
    return np.array(first)


_FIRST = _first_bins()
_COUNTS = np.diff(np.append(_FIRST, N_BINS))
N_GROUPS = len(_FIRST)  #: groups of bins that masks are informed on
GROUP_OF_BIN = np.repeat(np.arange(N_GROUPS), _COUNTS)
#: From masks on bands to masks on groups, shape (N_BANDS, N_GROUPS).
BANDS_TO_GROUPS = (np.add.reduceat(band_filters().T, _FIRST, axis=1) / _COUNTS).astype(np.float32)


def group_power(spectra: np.ndarray) -> np.ndarray:
    """Powers of groups of bins, mean over channels.

    Parameters
    ----------
    spectra : ndarray of complex64, shape (channels, frames, N_BINS)

    Returns
    -------
    ndarray of float32, shape (frames, N_GROUPS)
    """
    power = np.zeros(spectra.shape[1:], np.float32)
    for channel in spectra:
        power += channel.real ** 2
        power += channel.imag ** 2
    return np.add.reduceat(power, _FIRST, axis=1) / len(spectra)


class _Piece:
    """The strokes of a piece: two templates, and what each stroke has of both."""

    def __init__(self, stem: str, frames: np.ndarray, velocities: np.ndarray, level: float):
        self.stem, self.length = STEMS.index(stem), _LENGTHS[stem]
        self.starts = frames.tolist()
        self.rows = torch.from_numpy((frames[:, None] + np.arange(self.length)).reshape(-1))
        hard = torch.from_numpy(velocities)
        self.gains = torch.stack([hard, 1.05 - hard], dim=1)
        self.templates = torch.from_numpy(
            np.full((2, self.length * N_GROUPS), level, np.float32))

    def add(self, model: np.ndarray) -> None:
        """Add the strokes to a model, shape (frames, N_GROUPS)."""
        strokes = (self.gains @ self.templates).view(-1, self.length, N_GROUPS).numpy()
        for start, stroke in zip(self.starts, strokes):
            model[start: start + self.length] += stroke

    def _around(self, ratio: torch.Tensor) -> torch.Tensor:
        return ratio.index_select(0, self.rows).view(len(self.gains), -1)

    def fit_templates(self, ratio: torch.Tensor) -> None:
        """Multiplicative update by what there is over what the model has."""
        self.templates *= (self.gains.T @ self._around(ratio)) / (
            self.gains.sum(dim=0)[:, None] + _TINY)

    def fit_gains(self, ratio: torch.Tensor) -> None:
        """See `fit_templates`."""
        self.gains *= (self._around(ratio) @ self.templates.T) / (
            self.templates.sum(dim=1) + _TINY)


def _fit(pieces: list[_Piece], magnitude: torch.Tensor, rest: torch.Tensor | float,
         iterations: int) -> None:
    """Fit templates and gains to a magnitude, by Kullback–Leibler divergence."""
    ratio = torch.empty_like(magnitude)
    for _ in range(iterations):
        for update in (_Piece.fit_templates, _Piece.fit_gains):
            ratio[:] = rest
            _add(pieces, ratio)
            torch.div(magnitude, ratio.add_(_TINY), out=ratio)
            for piece in pieces:
                update(piece, ratio)


def _add(pieces: Iterable[_Piece], model: torch.Tensor) -> torch.Tensor:
    """Add the strokes of pieces to a model, shape (frames, N_GROUPS), and return it."""
    model = model.numpy()
    for piece in pieces:
        piece.add(model)
    return torch.from_numpy(model)


def _rises(level: np.ndarray) -> np.ndarray:
    """By how much a level is above that of two to four frames before."""
    before = np.pad(level, (4, 0), mode="edge")
    least = np.minimum(np.minimum(before[:-4], before[1:-3]), before[2:-2])
    return np.maximum(level - least, 0.0)


def _overlooked(levels: np.ndarray, strokes: Strokes) -> Strokes:
    """Strokes that the bank's stems have and `strokes` lack.

    Parameters
    ----------
    levels : ndarray, shape (5, frames)
        Magnitudes of the stems.
    strokes : Strokes
    """
    stems = strokes.stems
    every = np.sqrt((levels ** 2).sum(axis=0))
    frames: list[int] = []
    pieces: list[str] = []
    for stem, level in zip(STEMS, levels):
        own = stems == stem
        at = strokes.frames[own]
        at = at[at < level.size - 4]
        rises = _rises(level)
        usual = max(np.median([rises[max(0, frame - 2): frame + 4].max() for frame in at]),
                    _LEAST * rises.max()) if at.size else 1.5 * rises.max()
        names, counts = np.unique(strokes.pieces[own].astype(str), return_counts=True)
        piece = str(names[counts.argmax()]) if names.size else STEM_TO_PIECES[stem][0]
        peaks = local_maxima(rises)
        peaks = peaks[rises[peaks] >= max(_HEARD * usual, _TINY)]
        for peak in peaks[apart(peaks, rises[peaks], _NEAR + 1)].tolist():
            frame = peak - 1
            if at.size and np.abs(at - frame).min() <= _NEAR:
                continue
            alone = np.abs(strokes.frames - frame).min() > _NEAR
            if alone or (rises[peak] > _BESIDE * usual and level[peak] > _LOUD * every[peak]):
                frames.append(max(frame, 0))
                pieces.append(piece)
    return Strokes(np.array(frames, np.int64), np.array(pieces, dtype=object),
                   *np.full((2, len(frames)), 0.5, np.float32))


def _as_told(shares: np.ndarray, power: np.ndarray, strokes: Strokes) -> np.ndarray:
    """Shares in which sure strokes are in their own stems, where the bank took them for others.

    What rises in a stem while a stem that is like it is struck, and it is not, goes to the one
    that is struck, until the next stroke of either. A little may be what the bank confuses of any
    stroke: there it stays.

    Parameters
    ----------
    shares : ndarray of float32, shape (6, frames, N_GROUPS)
    power : ndarray of float32, shape (frames, N_GROUPS)
    strokes : Strokes

    Returns
    -------
    ndarray of float32, shape (6, frames, N_GROUPS)
    """
    stems, told, parts = strokes.stems, shares.copy(), shares[:-1] * power
    for struck, other, sure in _ALIKE:
        theirs, both = (strokes.frames[np.isin(stems, of)] for of in ([other], [struck, other]))
        to, off = STEMS.index(struck), STEMS.index(other)
        for frame in strokes.frames[(stems == struck) & (strokes.confidence >= sure)].tolist():
            start = frame - _BEFORE
            if not 0 < start < len(power) or (np.abs(theirs - frame) <= _NEAR).any():
                continue
            after = both[np.searchsorted(both, frame, side="right"):][:1].tolist()
            stop = min([frame + _LENGTHS[struck], *after]) - _BEFORE
            own, risen = (np.maximum(
                part[start: stop] - part[max(0, start - _LEVEL): start].mean(axis=0), 0.0)
                for part in (parts[to], parts[off]))
            if risen[:_ONSET].max(axis=0).sum() > _LITTLE * own[:_ONSET].max(axis=0).sum():
                parts[to, start: stop] += risen
                parts[off, start: stop] -= risen
                risen /= np.maximum(power[start: stop], np.float32(_NOTHING))
                told[to, start: stop] += risen
                told[off, start: stop] -= risen
    return np.maximum(told, 0.0, out=told)


@torch.inference_mode()
def inform(shares: np.ndarray, power: np.ndarray, strokes: Strokes) -> np.ndarray:
    """Share the drums out anew among the stems, by what each piece sounds like elsewhere.

    Parameters
    ----------
    shares : ndarray of float32, shape (6, frames, N_GROUPS)
        Power shares of stems and residual, from the bank.
    power : ndarray of float32, shape (frames, N_GROUPS)
        Of the mixture, see `group_power`.
    strokes : Strokes

    Returns
    -------
    ndarray of float32, shape (6, frames, N_GROUPS)
        The residual's as it was; `shares` itself where there are no strokes.
    """
    n_frames = len(power)
    if not len(strokes) or not power.any():
        return shares
    power = power / power.mean()
    shares = _as_told(shares, power, strokes)
    levels = np.stack([(power * share).sum(axis=1) for share in shares[:-1]])
    extra = _overlooked(np.sqrt(levels, out=levels), strokes)
    frames = np.clip(np.concatenate([strokes.frames, extra.frames]) - _BEFORE, 0, n_frames - 1)
    names = np.concatenate([strokes.pieces, extra.pieces]).astype(str)
    velocities = np.concatenate([strokes.velocities, extra.velocities])
    magnitude = power ** _EXPONENT
    level = float(magnitude.mean())
    pieces = []
    for name in np.unique(names):
        own = np.flatnonzero(names == name)
        own = own[apart(frames[own], velocities[own], _APART)]
        pieces.append(_Piece(stem_of(name), frames[own], velocities[own], level))

    def padded(x):
        return torch.from_numpy(np.pad(x, ((0, max(_LENGTHS.values())), (0, 0))))

    for stem, share in enumerate(shares[:-1]):
        own = [piece for piece in pieces if piece.stem == stem]
        if own:
            _fit(own, padded((power * share) ** _EXPONENT), 0.0, _EACH)
    mixture = padded(magnitude)
    _fit(pieces, mixture, padded(magnitude * shares[-1] ** _EXPONENT), _ALL)
    heard = torch.zeros(len(STEMS), *mixture.shape, dtype=mixture.dtype)
    for stem, model in enumerate(heard):
        _add([piece for piece in pieces if piece.stem == stem], model)
    heard = heard.numpy()[:, :n_frames]
    return _joined(shares, np.power(heard, 1 / _EXPONENT, out=heard))


def _joined(shares: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Geometric mean of the bank's shares of the drums and the templates' (changed in place)."""
    drums = shares[:-1].sum(axis=0)
    every = shares.copy()
    joined = every[:-1]
    joined /= np.maximum(drums, 1e-9)
    np.maximum(joined, 1e-6, out=joined)
    heard /= heard.sum(axis=0) + 1e-12
    joined *= np.maximum(heard, _FLOOR, out=heard)
    np.sqrt(joined, out=joined)
    joined *= drums / joined.sum(axis=0)
    return every

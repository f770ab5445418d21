"""Domain randomisation of band powers.

What a recording does to drums, as operations on arrays of band powers
(frames, bands) or (sources, frames, bands): cheap enough to be different in every
training clip. Levels and brightness matter most: sampled kits have their hats 20 dB
louder and brighter than many recordings.
"""

from __future__ import annotations

import numpy as np

from ..features import N_BANDS, band_centres, band_filters
from ..frames import FRAME_RATE

_CENTRES = band_centres()
_OCTAVES = np.log2(_CENTRES / 1000.0)
#: Independent bins behind each band: how far an interference averages out.
_BINS = np.maximum(1.0, band_filters().sum(axis=0)).astype(np.float32)


def db(value) -> np.ndarray:
    """Power factor of a gain in dB."""
    return np.float32(10.0) ** (np.asarray(value, np.float32) / 10.0)


def random_eq(rng: np.random.Generator, strength_db: float) -> np.ndarray:
    """Smooth random power curve over the bands, shape (N_BANDS,)."""
    knots = np.linspace(_OCTAVES[0], _OCTAVES[-1], rng.integers(3, 8))
    return db(np.interp(_OCTAVES, knots, rng.normal(0, strength_db, len(knots))))


def tilt(db_per_octave: float) -> np.ndarray:
    """Power curve falling or rising around 1 kHz, shape (N_BANDS,)."""
    return db(np.clip(db_per_octave * _OCTAVES, -40, 40))


def low_pass(cutoff: float, db_per_octave: float) -> np.ndarray:
    """Power curve that falls above `cutoff` Hz, shape (N_BANDS,)."""
    return db(-db_per_octave * np.maximum(0.0, np.log2(_CENTRES / cutoff)))


def high_pass(cutoff: float, db_per_octave: float) -> np.ndarray:
    """Power curve that falls below `cutoff` Hz, shape (N_BANDS,)."""
    return db(-db_per_octave * np.maximum(0.0, np.log2(cutoff / _CENTRES)))


def reverberate(sources: np.ndarray, seconds: np.ndarray, wet_db: float) -> np.ndarray:
    """Add an exponentially decaying room, whose decay depends on the band.

    Parameters
    ----------
    sources : ndarray, shape (sources, frames, bands)
    seconds : ndarray, shape (bands,)
        Reverberation time (60 dB).
    wet_db : float
        Level of the tail's energy against the direct sound's.
    """
    decay = (10.0 ** (-6.0 / (FRAME_RATE * seconds))).astype(np.float32)
    into = (float(db(wet_db)) * (1.0 - decay)).astype(np.float32)
    tail = np.empty_like(sources)
    state = np.zeros((sources.shape[0], sources.shape[2]), np.float32)
    for frame in range(sources.shape[1]):
        tail[:, frame] = state
        state = state * decay + sources[:, frame] * into
    return sources + tail


def compress(level_db: np.ndarray, threshold_db: float, ratio: float,
             attack: float, release: float) -> np.ndarray:
    """Gain trajectory in dB of a compressor, shape (frames,).

    Parameters
    ----------
    level_db : ndarray, shape (frames,)
    attack, release : float
        Time constants in frames.
    """
    wanted = -(1.0 - 1.0 / ratio) * np.maximum(0.0, level_db - threshold_db)
    gain, state = np.empty_like(wanted), 0.0
    up, down = np.exp(-1.0 / release), np.exp(-1.0 / attack)
    for frame, target in enumerate(wanted.tolist()):
        keep = down if target < state else up
        state = keep * state + (1.0 - keep) * target
        gain[frame] = state
    return gain


def _between_frames(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal noise as correlated from frame to frame as overlapping windows are.

    Parameters
    ----------
    shape : tuple of int
        (..., frames, bands)

    Returns
    -------
    ndarray of float32
        Of unit variance.
    """
    taps = np.array([0.35, 0.75, 1.0, 0.75, 0.35], np.float32)
    taps /= np.sqrt((taps ** 2).sum())
    frames = shape[-2]
    white = rng.standard_normal((*shape[:-2], frames + len(taps) - 1, shape[-1]), np.float32)
    total = taps[0] * white[..., :frames, :]
    for i, tap in enumerate(taps[1:], 1):
        total += tap * white[..., i:i + frames, :]
    return total


def interfere(sources: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Power of the sum of sources with random phases, shape (frames, bands).

    Mean is the sum of powers; the deviation shrinks with the bins of a band. Phases drift
    from frame to frame, as those of overlapping windows do.
    """
    sources = sources[sources.any(axis=(1, 2))] if sources.any() else sources[:1]
    real, imag = _between_frames(rng, (2, *sources.shape))
    amplitude = np.sqrt(sources / (real ** 2 + imag ** 2 + 1e-9))
    real = (amplitude * real).sum(axis=0)
    imag = (amplitude * imag).sum(axis=0)
    total = sources.sum(axis=0)
    cross = (real ** 2 + imag ** 2 - total) / np.sqrt(_BINS)
    return np.maximum(total + cross, 0.02 * total)


def noise_floor(rng: np.random.Generator, frames: int, level_db: float) -> np.ndarray:
    """Stationary coloured noise, shape (frames, bands), total power `level_db`."""
    colour = tilt(rng.uniform(-6, 3)) * random_eq(rng, 3.0) * _BINS
    colour = colour / colour.sum() * db(level_db)
    fluctuation = 1.0 + _between_frames(rng, (frames, N_BANDS)) / np.sqrt(_BINS)
    return (colour * np.maximum(fluctuation, 0.05)).astype(np.float32)


def rumble(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Low noise that comes and goes: wind, traffic, a stand that somebody kicks.

    Returns band powers, shape (frames, bands), about 0 dB where it is loud.
    """
    colour = low_pass(rng.uniform(40, 200), rng.uniform(4, 15)) * random_eq(rng, 2.0) * _BINS
    knots = np.arange(0, frames + 50, 50)
    slow = np.interp(np.arange(frames), knots, rng.normal(0, rng.uniform(0, 8), len(knots)))
    rough = np.maximum(1.0 + _between_frames(rng, (frames, N_BANDS)) / np.sqrt(_BINS), 0.05)
    return (colour / colour.sum() * db(np.minimum(slow, 6.0))[:, None] * rough).astype(np.float32)


def shaker(rng: np.random.Generator, frames: int) -> np.ndarray:
    """Shaker or tambourine strokes in steady time: what a hi-hat detector must not take.

    Returns band powers, shape (frames, bands), about 0 dB at the strokes.
    """
    step = rng.uniform(9, 40)
    centre = rng.uniform(4500, 11000)
    shape = np.exp(-0.5 * ((np.log2(_CENTRES / centre)) / rng.uniform(0.2, 0.6)) ** 2)
    jingles = rng.random() < 0.5
    if jingles:  # a few sharp resonances instead of broad noise
        shape = shape * rng.gamma(0.4, 2.5, N_BANDS)
    attack = 1.5 if jingles else rng.uniform(2, 6)
    decay = rng.uniform(2, 12) if jingles else rng.uniform(1.5, 5)
    t = np.arange(-12, 60)
    envelope = np.where(t < 0, np.exp(t / attack), np.exp(-t / decay)) ** 2
    track = np.zeros(frames + 100, np.float32)
    accents = rng.uniform(0.1, 1.0, size=4)
    for i, at in enumerate(np.arange(rng.uniform(0, step), frames, step)):
        start = int(round(at))
        track[start:start + len(t)] += envelope * accents[i % 4] * rng.uniform(0.6, 1.2)
    shape = shape / shape.sum()
    rough = rng.gamma(2.0, 0.5, size=(frames, N_BANDS))
    return (track[12:12 + frames, None] * shape[None] * rough).astype(np.float32)

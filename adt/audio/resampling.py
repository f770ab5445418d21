"""Audio at another rate, by soxr."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from .decoders import AudioInfo


def resampled(chunks: Iterable[np.ndarray], info: AudioInfo, rate: int) -> Iterator[np.ndarray]:
    """Chunks (samples, channels) at another rate."""
    if rate == info.sample_rate:
        yield from chunks
        return
    import soxr
    resampler = soxr.ResampleStream(info.sample_rate, rate, info.channels, dtype="float32")
    for chunk in chunks:
        yield resampler.resample_chunk(chunk)
    yield resampler.resample_chunk(np.zeros((0, info.channels), np.float32), last=True)


def resample(audio: np.ndarray, source: int, target: int) -> np.ndarray:
    """Audio at another rate; the same array if the rates are the same.

    Parameters
    ----------
    audio : np.ndarray
        float32, shape (channels, samples).
    source, target : int
        Sample rates in Hz.
    """
    if source == target:
        return audio
    import soxr
    frames = audio.T
    if len(frames) == 1:  # strides of one sample can be any, which it may not take
        frames = np.array(frames, order="C")
    return np.ascontiguousarray(soxr.resample(frames, source, target).T, dtype=np.float32)

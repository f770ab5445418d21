"""Audio of a file or of an array, checked."""

from __future__ import annotations

import os

import numpy as np

from ..errors import AudioError
from .reading import MAX_RATE, MIN_RATE, load

#: A file, or samples of shape (samples,) or (channels, samples); tensors of torch too.
AudioLike = str | os.PathLike | np.ndarray

#: More channels than this in an array are taken for samples.
MAX_CHANNELS = 64

_NO_AUDIO = ("neither a path nor an array of samples; pass an array of shape (channels, samples) "
             "and its sample rate apart, as sr=")


def as_audio(path_or_array: AudioLike, sr: int | None = None) -> tuple[np.ndarray, int]:
    """Audio of a file or of an array, checked.

    Parameters
    ----------
    path_or_array : path-like or array_like
        A file, or an array of shape (samples,) or (channels, samples): floats, or
        integer PCM (uint8, int16, int32), which is scaled to ±1.
    sr : int, optional
        Sample rate of the array in Hz; required with one. Files know theirs, and
        for them it is ignored.

    Returns
    -------
    audio : np.ndarray
        float32, shape (channels, samples), at its own rate.
    sr : int

    Raises
    ------
    AudioError
        If the file cannot be read; if the array has another shape or kind, is
        empty or not finite, or comes without a valid rate.
    """
    if isinstance(path_or_array, (str, os.PathLike)):
        return load(path_or_array, None)
    if hasattr(path_or_array, "read"):
        raise AudioError("an open file is neither a path nor an array of samples; pass its path")
    try:
        if hasattr(path_or_array, "detach"):  # a tensor of torch
            path_or_array = path_or_array.detach().cpu()
            if path_or_array.is_floating_point():  # bfloat16 too, which numpy does not have
                path_or_array = path_or_array.float()
        audio = np.asarray(path_or_array)
    except (ValueError, TypeError, RuntimeError) as error:
        raise AudioError(_NO_AUDIO) from error
    if audio.ndim == 0:
        raise AudioError(f"{type(path_or_array).__name__}: {_NO_AUDIO}")
    if sr is None:
        raise AudioError("an array of samples needs its sample rate; pass sr=, e.g. sr=44100")
    try:
        rate = int(sr)
        valid = rate == sr and MIN_RATE <= rate <= MAX_RATE
    except (TypeError, ValueError, OverflowError):
        valid = False
    if not valid:
        raise AudioError(
            f"sr={sr!r} is not a sample rate; pass whole Hz between {MIN_RATE} and {MAX_RATE}")
    if audio.ndim not in (1, 2):
        raise AudioError(
            f"array of shape {audio.shape}; pass (samples,) or (channels, samples)")
    if audio.size == 0:
        raise AudioError(f"array of shape {audio.shape} holds no samples; pass a longer one")
    audio = audio[np.newaxis] if audio.ndim == 1 else audio
    if audio.shape[0] > MAX_CHANNELS or (audio.shape[0] > audio.shape[1] > 1):
        raise AudioError(
            f"array of shape {audio.shape} has {audio.shape[0]} channels of"
            f" {audio.shape[1]} samples; transpose it to (channels, samples)")
    if audio.dtype.kind == "f":
        with np.errstate(over="ignore"):
            audio = audio.astype(np.float32)
    elif audio.dtype.newbyteorder("=") in (np.dtype(np.int16), np.dtype(np.int32)):
        audio = audio.astype(np.float32) / np.float32(-float(np.iinfo(audio.dtype).min))
    elif audio.dtype == np.uint8:
        audio = (audio.astype(np.float32) - 128) / 128
    else:
        raise AudioError(
            f"array of {audio.dtype} is not audio; pass floats within ±1, or int16 or int32 PCM")
    if not np.isfinite(audio).all():
        raise AudioError("array contains NaN or infinite samples; remove them")
    return np.ascontiguousarray(audio), rate

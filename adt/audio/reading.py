"""Files opened, and read block by block or as a whole."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..errors import AudioError
from ..frames import SAMPLE_RATE
from .decoders import AudioInfo, AvFile, DecodeError, SoundFile, decoders, ogg_ends
from .resampling import resampled

#: Accepted sample rates, Hz.
MIN_RATE, MAX_RATE = 1_000, 768_000

#: What is missing where a packet is known to be broken, seconds.
_BROKEN_TOLERANCE = 0.05

_NOT_AUDIO = "cannot be decoded as audio; give a complete wav, flac, ogg, mp3 or m4a file"


def open_file(path: Path) -> SoundFile | AvFile:
    """Open `path` with the first decoder that can read it."""
    try:
        size = path.stat().st_size
        if path.is_dir():
            raise AudioError(f"{path}: is a folder; name an audio file")
        if not path.is_file():
            raise AudioError(f"{path}: is not a regular file; save the audio to one first")
        with path.open("rb"):
            pass
    except FileNotFoundError:
        raise AudioError(f"{path}: no such file; check the path") from None
    except PermissionError:
        raise AudioError(f"{path}: permission denied; make the file readable") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be opened ({reason}); check the path") from None
    if size == 0:
        raise AudioError(f"{path}: is empty (0 bytes); export or copy it again")
    file = None
    for decoder in decoders(path):
        try:
            other = decoder(path)
        except DecodeError:
            continue
        if file is not None:
            file.close()
        file = other
        # a recorder that was cut off leaves a length of 0, a flac from a pipe none
        if file.info.n_samples or decoder is AvFile:
            break
    if file is None:
        raise AudioError(f"{path}: {_NOT_AUDIO}")
    rate = file.info.sample_rate
    if not MIN_RATE <= rate <= MAX_RATE:
        file.close()
        raise AudioError(
            f"{path}: its header gives a sample rate of {rate} Hz; convert it to a rate"
            f" between {MIN_RATE} and {MAX_RATE} Hz")
    return file


def _check_finite(chunk: np.ndarray, path: Path) -> None:
    if not np.isfinite(chunk).all():
        raise AudioError(
            f"{path}: contains NaN or infinite samples; export it again without them")


def _chunks(path: Path, file: SoundFile | AvFile) -> Iterator[np.ndarray]:
    """Chunks of an open file; where libsndfile gives up, FFmpeg may go on.

    Raises
    ------
    DecodeError
        After what can be decoded, if there is a defect.
    """
    done = 0
    try:
        for chunk in file.chunks():
            done += len(chunk)
            yield chunk
    except DecodeError:
        if file.resumes:
            yield from _behind(path, file.info, done)
        raise


def _behind(path: Path, info: AudioInfo, done: int) -> Iterator[np.ndarray]:
    """What FFmpeg decodes of a file behind its first `done` samples."""
    with suppress(DecodeError):
        other = AvFile(path)
        try:
            if other.info.sample_rate == info.sample_rate and other.info.channels == info.channels:
                for chunk in other.chunks():
                    if len(chunk) > done:
                        yield chunk[done:]
                    done = max(0, done - len(chunk))
        finally:
            other.close()


def native(path: Path, file: SoundFile | AvFile) -> Iterator[np.ndarray]:
    """Finite chunks (samples, channels) of an open file, at its own rate."""
    seconds = 1 / file.info.sample_rate
    total, defect = 0, None
    try:
        for chunk in _chunks(path, file):
            _check_finite(chunk, path)
            total += len(chunk)
            yield chunk
    except DecodeError as error:
        defect = str(error)
    declared = None if file.info.estimated else file.info.n_samples
    if total == 0:
        if defect is not None or declared:
            raise AudioError(f"{path}: {_NOT_AUDIO}")
        raise AudioError(f"{path}: holds no samples (0 s); name a file with sound in it")
    ogg = ogg_ends(path)
    if defect is None and ogg and not ogg[1][1]:
        defect = "its end is missing"
    missing = (declared - total) * seconds if declared is not None else 0.0
    if missing > (file.tolerance if defect is None else _BROKEN_TOLERANCE):
        defect = "; ".join(filter(None, (
            defect, f"its header says {declared * seconds:.1f} s",
            f"if the damage is in the middle, what follows comes {missing:.2f} s early")))
    if defect is not None:
        warnings.warn(
            f"{path}: damaged, {total * seconds:.1f} s could be decoded ({defect})", stacklevel=1)


def probe(path: str | os.PathLike) -> AudioInfo:
    """Read the header of an audio file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    AudioInfo

    Raises
    ------
    AudioError
        If the file is missing, empty or not audio.
    """
    file = open_file(Path(path))
    file.close()
    return file.info


def stream(path: str | os.PathLike, sample_rate: int | None = SAMPLE_RATE,
           block: int = SAMPLE_RATE * 10) -> Iterator[np.ndarray]:
    """Decode a file block by block, resampled, in constant memory.

    Parameters
    ----------
    path : path-like
    sample_rate : int, optional
        Rate of the result in Hz; None keeps that of the file.
    block : int
        Samples (per channel) of every block but the last, which may be shorter.

    Yields
    ------
    np.ndarray
        float32, shape (channels, samples). At least one, never empty.

    Raises
    ------
    AudioError
        If the file is missing, empty, not audio, holds no samples, or holds NaN
        or infinite samples.

    Warns
    -----
    UserWarning
        If the file is damaged and only a part of it could be decoded.

    Examples
    --------
    >>> seconds = sum(b.shape[1] for b in stream("song.mp3")) / 44100  # doctest: +SKIP
    """
    path = Path(path)
    if block < 1:
        raise ValueError(f"block must be at least 1 sample, got {block}")
    file = open_file(path)
    try:
        parts, held, empty = [], 0, True
        rate = file.info.sample_rate if sample_rate is None else sample_rate
        for chunk in resampled(native(path, file), file.info, rate):
            parts.append(chunk)
            held += len(chunk)
            while held >= block:
                whole = np.concatenate(parts) if len(parts) > 1 else parts[0]
                parts, held, empty = [whole[block:]], held - block, False
                yield np.ascontiguousarray(whole[:block].T)
        if held:
            yield np.ascontiguousarray(np.concatenate(parts).T)
        elif empty:
            raise AudioError(
                f"{path}: is shorter than one sample at {rate} Hz; name a longer file")
    finally:
        file.close()


def load(path: str | os.PathLike,
         sample_rate: int | None = SAMPLE_RATE) -> tuple[np.ndarray, int]:
    """Decode a whole file.

    Parameters
    ----------
    path : path-like
    sample_rate : int, optional
        Rate of the result in Hz; None keeps that of the file.

    Returns
    -------
    audio : np.ndarray
        float32, shape (channels, samples).
    sample_rate : int

    Raises
    ------
    AudioError
        As `stream`.
    """
    audio = np.concatenate(list(stream(path, sample_rate)), axis=1)
    return audio, probe(path).sample_rate if sample_rate is None else sample_rate

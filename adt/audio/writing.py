"""Audio files written block by block, whole or not at all."""

from __future__ import annotations

import os
import warnings
from contextlib import ExitStack, suppress
from pathlib import Path

import numpy as np

from ..errors import OutputError
from ..output import atomic_path
from .decoders import system_name

#: Of flac, 0 to 1: files of 24 bits are 1 % larger than with libsndfile's own choice, and written
#: in five sixths of the time.
_COMPRESSION = 0.375


def _undated(path: Path) -> None:
    """Clear the time of writing that libsndfile notes in wavs of floats."""
    with suppress(OSError), path.open("r+b") as file:
        head = file.read(4096)
        place = head.find(b"PEAK")
        if head[:4] == b"RIFF" and place > 0:
            file.seek(place + 12)  # after name, size and version
            file.write(bytes(4))


class AudioWriter:
    """Write a wav or flac file block by block; it appears whole or not at all.

    A context manager. Samples go to a temporary file in the same folder, which
    takes the final name on a clean exit and is removed on an error.

    Parameters
    ----------
    path : path-like
        With suffix ``.wav`` or ``.flac``. Its folder is made if need be.
    sample_rate : int
        In Hz.
    channels : int
    subtype : str, optional
        As in `soundfile.available_subtypes`: "PCM_24" (default), "PCM_16", and for
        wav also "FLOAT". PCM clips samples beyond ±1, with a warning.
    n_samples : int, optional
        How many samples will come, where that is known: what the file cannot hold is
        refused at once.

    Raises
    ------
    OutputError
        If the file cannot be written, has another suffix, or cannot hold so many
        channels, samples or such a rate.

    Examples
    --------
    >>> with AudioWriter("out.wav", 44100, 2) as writer:  # doctest: +SKIP
    ...     for block in stream("song.mp3"):
    ...         writer.write(block)
    """

    _FORMATS = {".wav": "WAV", ".flac": "FLAC"}
    _BYTES = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

    def __init__(self, path: str | os.PathLike, sample_rate: int, channels: int,
                 subtype: str | None = None, n_samples: int | None = None):
        self.path = Path(path)
        self.sample_rate, self.channels = int(sample_rate), int(channels)
        self.subtype = subtype or "PCM_24"
        self._format = self._FORMATS.get(self.path.suffix.lower())
        if self._format is None:
            raise OutputError(
                f"{self.path}: cannot write {self.path.suffix or 'this type'}; use .wav or .flac")
        if self._format == "FLAC" and self.channels > 8:
            raise OutputError(f"{self.path}: flac holds at most 8 channels; use .wav")
        rate = self.sample_rate
        if self._format == "FLAC" and (rate > 655_350 or (rate > 65_535 and rate % 10)):
            raise OutputError(f"{self.path}: flac cannot hold a rate of {rate} Hz; use .wav")
        self._file, self._stack = None, None
        self._clips = self.subtype not in ("FLOAT", "DOUBLE")
        self._peak, self._written = 0.0, 0
        self._check_size(n_samples or 0)

    def _check_size(self, n_samples: int) -> None:
        size = n_samples * self.channels * self._BYTES.get(self.subtype, 1)
        if self._format == "WAV" and size > 2**32 - 4096:
            raise OutputError(f"{self.path}: exceeds the 4 GB a wav file can hold; use .flac")

    def __enter__(self) -> AudioWriter:
        import soundfile
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with ExitStack() as stack:
                temporary = stack.enter_context(atomic_path(self.path))
                stack.callback(_undated, temporary)
                self._file = stack.enter_context(soundfile.SoundFile(
                    system_name(temporary), "w", self.sample_rate, self.channels, self.subtype,
                    format=self._format,
                    compression_level=_COMPRESSION if self._format == "FLAC" else None))
                self._stack = stack.pop_all()
        except (OSError, soundfile.SoundFileError, ValueError) as error:
            raise self._error(error) from error
        return self

    def write(self, audio: np.ndarray) -> None:
        """Append a block of shape (channels, samples)."""
        import soundfile
        if self._file is None:
            raise ValueError("write() belongs inside the with block")
        audio = np.asarray(audio)
        if audio.ndim != 2 or audio.shape[0] != self.channels:
            raise ValueError(f"expected ({self.channels}, samples), got {audio.shape}")
        if audio.size == 0:
            return
        if self._clips:
            self._peak = max(self._peak, float(audio.max()), -float(audio.min()))
        self._written += audio.shape[1]
        self._check_size(self._written)
        try:
            self._file.write(np.ascontiguousarray(audio.T))
        except (OSError, soundfile.SoundFileError) as error:
            raise self._error(error) from error

    def __exit__(self, kind, error, traceback) -> None:
        import soundfile
        try:
            self._stack.__exit__(kind, error, traceback)
        except soundfile.SoundFileError as failure:
            raise self._error(failure) from failure
        finally:
            self._file = None
        if kind is None and self._peak > 1 + 2**-15:
            remedy = "write FLOAT samples or " if self._format == "WAV" else ""
            warnings.warn(
                f"{self.path}: peaks of {self._peak:.2f} were clipped to 1;"
                f" {remedy}lower the input's level", stacklevel=1)

    def _error(self, error: Exception) -> OutputError:
        reason = getattr(error, "strerror", None) or str(error).rstrip(".")
        return OutputError(
            f"{self.path}: cannot be written ({reason}); choose a folder "
            "that you may write to, on a disk with room")

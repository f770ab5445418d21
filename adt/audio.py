"""Audio files in and out, without a system ffmpeg and in constant memory.

Conventions
-----------
Audio is float32 of shape (channels, samples), nominally within ±1. Files are
decoded by libsndfile (wav, flac, ogg, aiff, ...) and, where it cannot, by the
FFmpeg libraries inside PyAV (mp3, m4a, mp4, webm, ...); encoder delay that a file
declares is cut, so that times are those of the original. Resampling is soxr's,
streamed: a file of two hours needs no more memory than one of two minutes.

Whatever cannot be read raises `AudioError` with one line that names the file
and the remedy. A file damaged in its middle gives what can be decoded, and a
warning.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .errors import AudioError, OutputError
from .frames import SAMPLE_RATE
from .output import atomic_path

#: A file, or samples of shape (samples,) or (channels, samples); tensors of torch too.
AudioLike = str | os.PathLike | np.ndarray

__all__ = [
    "AUDIO_SUFFIXES", "AudioInfo", "AudioWriter", "as_audio", "find_audio", "load", "probe",
    "resample", "stream",
]

#: Suffixes by which audio is recognised inside a folder (a file named outright may have any).
AUDIO_SUFFIXES = frozenset((
    ".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".mp4", ".aac", ".aif", ".aiff",
    ".aifc", ".au", ".caf", ".w64", ".wma", ".webm", ".mka", ".mkv", ".mov",
))

#: More channels than this in an array are taken for samples.
MAX_CHANNELS = 64

#: Accepted sample rates, Hz.
MIN_RATE, MAX_RATE = 1_000, 768_000

#: Samples decoded at a time; a defect loses at most this much before it.
_CHUNK = 8_192

#: A file that ends earlier than its header says by more than this is damaged, seconds.
_TOLERANCE = 0.01
#: The same where the header gives the length of what an encoder was given.
_ENCODED_TOLERANCE = 0.25

#: What is missing where a packet is known to be broken, seconds.
_BROKEN_TOLERANCE = 0.05

#: Longest page of Ogg, bytes.
_OGG_PAGE = 65_307

#: MPEG audio goes straight to FFmpeg: libsndfile's decoder of it writes to the terminal.
_MPEG_SUFFIXES = (".mp1", ".mp2", ".mp3", ".aac")

_NOT_AUDIO = "cannot be decoded as audio; give a complete wav, flac, ogg, mp3 or m4a file"


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes
    ----------
    sample_rate : int
        In Hz.
    channels : int
    n_samples : int or None
        Per channel; None where the header does not say. For compressed files
        this may differ slightly from what decodes.
    """

    sample_rate: int
    channels: int
    n_samples: int | None


class _DecodeError(Exception):
    """A decoder met something it cannot read."""


def _name(path: Path) -> str | bytes:
    """A path as libsndfile takes it: on POSIX any bytes are a name."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


class _SoundFile:
    """Chunks of a file that libsndfile reads."""

    tolerance = _TOLERANCE

    def __init__(self, path: Path):
        import soundfile
        try:
            self._file = soundfile.SoundFile(_name(path))
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            # TypeError: headerless types (.raw) ask for a sample rate.
            raise _DecodeError(str(error)) from error
        frames = self._file.frames
        self.info = AudioInfo(
            self._file.samplerate, self._file.channels, frames if 0 <= frames < 2**62 else None)
        # libsndfile corrects the size of a cut wav or aiff, and notes so in its log.
        sizes = re.search(r"^ *(?:data|SSND) *: (\d+) \(should be (\d+)\)",
                          self._file.extra_info, re.MULTILINE)
        self._cut = sizes is not None and int(sizes[2]) < int(sizes[1]) < 2**31
        #: FFmpeg finds the next frame behind a broken one.
        self.resumes = self._file.format == "FLAC"

    def chunks(self) -> Iterator[np.ndarray]:
        import soundfile
        while True:
            try:
                chunk = self._file.read(_CHUNK, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, OSError) as error:
                raise _DecodeError(str(error)) from error
            if not len(chunk):
                break
            yield chunk
        if self._cut:
            raise _DecodeError("its header says more")

    def close(self) -> None:
        self._file.close()


class _AvFile:
    """Chunks of a file that the FFmpeg libraries in PyAV read."""

    tolerance = _ENCODED_TOLERANCE
    resumes = False

    def __init__(self, path: Path):
        import av
        try:
            # The prefix keeps a colon in a name from being read as a protocol.
            self._container = av.open("file:" + os.fspath(path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise _DecodeError(str(error)) from error
        self._stream = self._container.streams.best("audio")
        rate, channels = 0, 0
        if self._stream is not None:
            rate, channels = self._stream.rate or 0, self._stream.channels or 0
        if rate <= 0 or channels <= 0:
            self.close()
            raise _DecodeError("no audio track")
        self._good, self._bad = 0, 0
        n_samples = None
        if self._stream.duration is not None and self._stream.time_base is not None:
            n_samples = round(self._stream.duration * self._stream.time_base * rate)
        self.info = AudioInfo(rate, channels, n_samples)

    def chunks(self) -> Iterator[np.ndarray]:
        parts, held = [], 0
        for part in self._packets():
            parts.append(part)
            held += len(part)
            if held >= _CHUNK:
                yield np.concatenate(parts)
                parts, held = [], 0
        if held:
            yield np.concatenate(parts)
        if self._bad:
            raise _DecodeError(f"{self._bad} of {self._bad + self._good} packets are broken")

    def _packets(self) -> Iterator[np.ndarray]:
        """Samples of every packet (samples, channels); silence for one that is broken."""
        import av
        rate, channels = self.info.sample_rate, self.info.channels
        to_float = av.AudioResampler(format="fltp", layout=self._stream.layout, rate=rate)
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.error.FFmpegError, OSError):
                self._bad += 1
                return
            if packet is None:
                return
            try:
                frames = [f for frame in packet.decode() for f in to_float.resample(frame)]
            except av.error.EOFError:
                continue
            except (av.error.FFmpegError, OSError, ValueError):
                self._bad += 1
                # What follows keeps its time.
                gap = round((packet.duration or 0) * (packet.time_base or 0) * rate)
                if self._good and 0 < gap <= rate:
                    yield np.zeros((gap, channels), np.float32)
                continue
            for frame in frames:
                self._good += 1
                yield frame.to_ndarray().T

    def close(self) -> None:
        self._container.close()


def _begins_like_mpeg(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        head = file.read(3)
        return head == b"ID3" or (len(head) == 3 and head[0] == 0xFF and head[1] >= 0xE0)
    return False


def _ogg_page(data: bytes) -> tuple[int, bool] | None:
    """Serial number of the stream whose page `data` begins with, and whether it is its last."""
    if data[:4] != b"OggS" or len(data) < 18:
        return None
    return int.from_bytes(data[14:18], "little"), bool(data[5] & 4)


def _ogg_ends(path: Path) -> tuple[tuple[int, bool], tuple[int, bool]] | None:
    """First and last page of an Ogg file (see `_ogg_page`), None of any other."""
    with suppress(OSError), path.open("rb") as file:
        first = _ogg_page(file.read(18))
        if first:
            file.seek(-min(_OGG_PAGE, path.stat().st_size), os.SEEK_END)
            tail = file.read()
            last = _ogg_page(tail[max(0, tail.rfind(b"OggS")):])
            return (first, last) if last else None
    return None


def _decoders(path: Path) -> tuple[type, ...]:
    """The decoders to try, best first."""
    if path.suffix.lower() in _MPEG_SUFFIXES or _begins_like_mpeg(path):
        return (_AvFile,)
    ogg = _ogg_ends(path)
    if ogg and ogg[0][0] != ogg[1][0]:  # files in a row, of which libsndfile reads the first
        return _AvFile, _SoundFile
    return _SoundFile, _AvFile


def _open(path: Path) -> _SoundFile | _AvFile:
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
    for decoder in _decoders(path):
        try:
            other = decoder(path)
        except _DecodeError:
            continue
        if file is not None:
            file.close()
        file = other
        # a recorder that was cut off leaves a length of 0, a flac from a pipe none
        if file.info.n_samples or decoder is _AvFile:
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


def _chunks(path: Path, file: _SoundFile | _AvFile) -> Iterator[np.ndarray]:
    """Chunks of an open file; where libsndfile gives up, FFmpeg may go on.

    Raises
    ------
    _DecodeError
        After what can be decoded, if there is a defect.
    """
    done = 0
    try:
        for chunk in file.chunks():
            done += len(chunk)
            yield chunk
    except _DecodeError:
        if file.resumes:
            yield from _behind(path, file.info, done)
        raise


def _behind(path: Path, info: AudioInfo, done: int) -> Iterator[np.ndarray]:
    """What FFmpeg decodes of a file behind its first `done` samples."""
    with suppress(_DecodeError):
        other = _AvFile(path)
        try:
            if other.info.sample_rate == info.sample_rate and other.info.channels == info.channels:
                for chunk in other.chunks():
                    if len(chunk) > done:
                        yield chunk[done:]
                    done = max(0, done - len(chunk))
        finally:
            other.close()


def _native(path: Path, file: _SoundFile | _AvFile) -> Iterator[np.ndarray]:
    """Finite chunks (samples, channels) of an open file, at its own rate."""
    seconds = 1 / file.info.sample_rate
    total, defect = 0, None
    try:
        for chunk in _chunks(path, file):
            _check_finite(chunk, path)
            total += len(chunk)
            yield chunk
    except _DecodeError as error:
        defect = str(error)
    declared = file.info.n_samples
    if total == 0:
        if defect is not None or declared:
            raise AudioError(f"{path}: {_NOT_AUDIO}")
        raise AudioError(f"{path}: holds no samples (0 s); name a file with sound in it")
    ogg = _ogg_ends(path)
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


def _resampled(chunks: Iterable[np.ndarray], info: AudioInfo, rate: int) -> Iterator[np.ndarray]:
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
    return np.ascontiguousarray(soxr.resample(audio.T, source, target).T, dtype=np.float32)


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
    file = _open(Path(path))
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
    file = _open(path)
    try:
        parts, held, empty = [], 0, True
        rate = file.info.sample_rate if sample_rate is None else sample_rate
        for chunk in _resampled(_native(path, file), file.info, rate):
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
    try:
        if hasattr(path_or_array, "detach"):  # a tensor of torch
            path_or_array = path_or_array.detach().cpu()
            if path_or_array.is_floating_point():  # bfloat16 too, which numpy does not have
                path_or_array = path_or_array.float()
        audio = np.asarray(path_or_array)
    except (ValueError, TypeError, RuntimeError) as error:
        raise AudioError("neither a path nor an array of samples; pass an array of shape "
                         "(channels, samples) and its sample rate apart, as sr=") from error
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


def _audio_below(folder: Path) -> list[Path]:
    """Audio files in `folder` and its sub-folders, sorted; hidden ones left out."""
    return sorted(
        file for file in folder.rglob("*")
        if file.suffix.lower() in AUDIO_SUFFIXES and file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts))


def find_audio(paths: Iterable[str | os.PathLike] | str | os.PathLike) -> list[Path]:
    """Expand folders into the audio files below them.

    Parameters
    ----------
    paths : path-like or iterable of path-like
        Files (taken whatever their suffix) and folders (searched recursively for
        `AUDIO_SUFFIXES`; hidden files are left out).

    Returns
    -------
    list of Path
        In the order given, folders sorted, each file once.

    Raises
    ------
    AudioError
        If a path does not exist or a folder has no audio in it.
    """
    if isinstance(paths, (str, os.PathLike)):
        paths = [paths]
    found: dict[Path, Path] = {}
    for path in map(Path, paths):
        try:
            files = _audio_below(path) if path.is_dir() else [path]
            exists = path.exists()
        except OSError as error:
            raise AudioError(
                f"{path}: cannot be opened ({error.strerror}); check the path") from None
        if not exists:
            raise AudioError(f"{path}: no such file or folder; check the path")
        if not files:
            raise AudioError(
                f"{path}: folder without audio files; name one with"
                " wav, flac, ogg, mp3 or m4a files")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


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
                    _name(temporary), "w", self.sample_rate, self.channels, self.subtype,
                    format=self._format))
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

"""What decodes a file: libsndfile, or the FFmpeg libraries in PyAV."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

#: Samples decoded at a time; a defect loses at most this much before it.
_CHUNK = 8_192

#: A file that ends earlier than its header says by more than this is damaged, seconds.
_TOLERANCE = 0.01
#: The same where the header gives the length of what an encoder was given.
_ENCODED_TOLERANCE = 0.25

#: FFmpeg's names of formats that may have no header at all.
_BARE = ("aac", "mp3")

#: Longest page of Ogg, bytes.
_OGG_PAGE = 65_307

#: MPEG audio goes straight to FFmpeg: libsndfile's decoder of it writes to the terminal.
_MPEG_SUFFIXES = (".mp1", ".mp2", ".mp3", ".aac")


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
    estimated : bool
        The header does not say, and `n_samples` is told from the size of the file and the bit
        rate at its beginning: of a variable bit rate it can be far off.
    """

    sample_rate: int
    channels: int
    n_samples: int | None
    estimated: bool = False


class DecodeError(Exception):
    """A decoder met something it cannot read."""


def system_name(path: Path) -> str | bytes:
    """A path as libsndfile takes it: on POSIX any bytes are a name."""
    return os.fsencode(path) if os.name == "posix" else os.fspath(path)


class SoundFile:
    """Chunks of a file that libsndfile reads."""

    tolerance = _TOLERANCE

    def __init__(self, path: Path):
        import soundfile
        try:
            self._file = soundfile.SoundFile(system_name(path))
        except (soundfile.SoundFileError, TypeError, ValueError, OSError) as error:
            # TypeError: headerless types (.raw) ask for a sample rate.
            raise DecodeError(str(error)) from error
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
                raise DecodeError(str(error)) from error
            if not len(chunk):
                break
            yield chunk
        if self._cut:
            raise DecodeError("its header says more")

    def close(self) -> None:
        self._file.close()


class AvFile:
    """Chunks of a file that the FFmpeg libraries in PyAV read."""

    tolerance = _ENCODED_TOLERANCE
    resumes = False

    def __init__(self, path: Path):
        import av
        try:
            # The prefix keeps a colon in a name from being read as a protocol.
            self._container = av.open("file:" + os.fspath(path))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise DecodeError(str(error)) from error
        self._stream = self._container.streams.best("audio")
        rate, channels = 0, 0
        if self._stream is not None:
            rate, channels = self._stream.rate or 0, self._stream.channels or 0
        if rate <= 0 or channels <= 0:
            self.close()
            raise DecodeError("no audio track")
        self._good, self._bad = 0, 0
        n_samples = None
        if self._stream.duration is not None and self._stream.time_base is not None:
            n_samples = round(self._stream.duration * self._stream.time_base * rate)
        # what declares a delay declares a length
        estimated = self._container.format.name in _BARE and not self._stream.start_time
        self.info = AudioInfo(rate, channels, n_samples, estimated)

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
            raise DecodeError(f"{self._bad} of {self._bad + self._good} packets are broken")

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


def ogg_ends(path: Path) -> tuple[tuple[int, bool], tuple[int, bool]] | None:
    """First and last page of an Ogg file (see `_ogg_page`), None of any other."""
    with suppress(OSError), path.open("rb") as file:
        first = _ogg_page(file.read(18))
        if first:
            file.seek(-min(_OGG_PAGE, path.stat().st_size), os.SEEK_END)
            tail = file.read()
            last = _ogg_page(tail[max(0, tail.rfind(b"OggS")):])
            return (first, last) if last else None
    return None


def decoders(path: Path) -> tuple[type, ...]:
    """The decoders to try, best first."""
    if path.suffix.lower() in _MPEG_SUFFIXES or _begins_like_mpeg(path):
        return (AvFile,)
    ogg = ogg_ends(path)
    if ogg and ogg[0][0] != ogg[1][0]:  # files in a row, of which libsndfile reads the first
        return AvFile, SoundFile
    return SoundFile, AvFile

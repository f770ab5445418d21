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

from .arrays import AudioLike, as_audio
from .decoders import AudioInfo
from .folders import AUDIO_SUFFIXES, find_audio
from .mixdown import mix_down
from .reading import MAX_RATE, MIN_RATE, load, probe, stream
from .resampling import resample
from .writing import AudioWriter

__all__ = [
    "AUDIO_SUFFIXES", "MAX_RATE", "MIN_RATE", "AudioInfo", "AudioLike", "AudioWriter", "as_audio",
    "find_audio", "load", "mix_down", "probe", "resample", "stream",
]

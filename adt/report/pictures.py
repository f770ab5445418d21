"""What a page draws of the audio: outline and spectrogram."""

from __future__ import annotations

import struct
import zlib

import numpy as np

from ..features import audio_to_bands, reference_level, to_decibel
from ..frames import SAMPLE_RATE

__all__ = ["waveform", "spectrogram"]

MAX_COLUMNS = 8_000  #: of a spectrogram; browsers draw pictures of this width everywhere
_BLOCK = 10 * SAMPLE_RATE  # samples; the spectra of a whole song are some gigabytes
_LEVELS = 32  # of grey: fewer bytes, no visible steps
_RANGE = (-70.0, 5.0)  # dB that are black and white


def waveform(mono: np.ndarray, columns: int) -> np.ndarray:
    """Highest and lowest sample of equal stretches.

    Parameters
    ----------
    mono : ndarray, shape (samples,)
    columns : int
        At most; never more than samples.

    Returns
    -------
    ndarray of int8, shape (columns, 2)
        Lowest and highest, full scale is 127; scaled so that the loudest sample is.
    """
    if not len(mono):
        return np.zeros((1, 2), np.int8)
    edges = np.linspace(0, len(mono), min(columns, len(mono)) + 1).astype(int)[:-1]
    both = np.stack([np.minimum.reduceat(mono, edges), np.maximum.reduceat(mono, edges)], 1)
    return (both * (127 / max(np.abs(both).max(), 1e-9))).round().astype(np.int8)


def spectrogram(mono: np.ndarray) -> bytes:
    """Grey PNG of the models' band powers at 44.1 kHz: low bands at the bottom.

    Parameters
    ----------
    mono : ndarray, shape (samples,)
        At `adt.frames.SAMPLE_RATE`.
    """
    bands = audio_to_bands(mono[None, i:i + _BLOCK] for i in range(0, len(mono), _BLOCK))
    decibel = to_decibel(bands, reference_level(bands))
    step = -(-len(decibel) // MAX_COLUMNS)
    if step > 1:
        decibel = np.maximum.reduceat(decibel, np.arange(0, len(decibel), step), axis=0)
    low, high = np.percentile(decibel, 5), np.percentile(decibel, 99.8)
    low = max(low, high + _RANGE[0])
    grey = np.clip((decibel - low) / max(high - low, 1e-6), 0, 1)
    steps = (grey * (_LEVELS - 1)).round() * (255 / (_LEVELS - 1))
    return _png(steps.T[::-1].astype(np.uint8))


def _png(grey: np.ndarray) -> bytes:
    """PNG of 8-bit grey, shape (height, width)."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (struct.pack(">I", len(data)) + kind + data
                + struct.pack(">I", zlib.crc32(kind + data)))

    height, width = grey.shape
    rows = np.pad(grey, ((0, 0), (1, 0))).tobytes()  # each row begins with filter 0
    return (b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))

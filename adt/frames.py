"""The one place that owns sample rate, hop and frame origin.

Frames are *centred*: frame ``k`` looks at the samples around sample
``k * HOP`` and its time is ``k * HOP / SAMPLE_RATE``. (Reading the same frame
as starting there would shift every onset by half a window, 23 ms.)
"""

from __future__ import annotations

import numpy as np

SAMPLE_RATE = 44_100  #: samples per second inside the models
HOP = 441  #: samples between frames (10 ms)
N_FFT = 2_048  #: window length of the shared STFT, samples (46 ms)
FRAME_RATE = SAMPLE_RATE / HOP  #: frames per second (100)
BEAT_FRAME_RATE = FRAME_RATE / 2  #: frames per second of the beat tracker (50)


def n_frames(n_samples: int) -> int:
    """Number of centred frames of a signal of `n_samples` samples."""
    return 1 + n_samples // HOP if n_samples > 0 else 0


def frames_to_time(frames):
    """Time in seconds of (fractional) frame indices."""
    return np.asarray(frames, dtype=np.float64) * HOP / SAMPLE_RATE


def time_to_frames(times):
    """Fractional frame index of times in seconds."""
    return np.asarray(times, dtype=np.float64) * SAMPLE_RATE / HOP

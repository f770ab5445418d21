"""Audio for a page: small MP3 tracks that can be aligned to the sample.

Decoders disagree on how much of an encoder's delay they remove. Every track hence
begins with a short pulse at a known distance from the first sample of the music; the
page looks for the pulse and counts from there.
"""

from __future__ import annotations

import io

import numpy as np

from ..audio import as_audio, resample
from ..errors import OutputError

__all__ = ["MARK", "START", "encode_track"]

MARK = 0.15  #: time of the pulse, seconds (longer than any decoder's delay)
START = 0.45  #: time at which the music begins, seconds
_PULSE = 0.0004  # standard deviation of the pulse, seconds: within the band of every rate
_RATES = ((20_000, 16_000), (40_000, 24_000), (56_000, 32_000))  # bits/s below, samples/s
_FULL_RATE = 44_100
_KBITS = (16, 24, 32, 40, 48, 56, 64, 80, 96)


def encode_track(audio: np.ndarray, sr: int, bit_rate: int = 32_000) -> bytes:
    """Encode one mono track as MP3, `START` seconds of lead and the pulse before it.

    Parameters
    ----------
    audio : ndarray, shape (samples,) or (channels, samples)
        Channels are averaged.
    sr : int
        Hz.
    bit_rate : int
        Bits per second; the next lower rate that the format has is taken.

    Returns
    -------
    bytes

    Raises
    ------
    OutputError
        If the encoder is not there.
    """
    import av

    mono, sr = as_audio(audio, sr)
    mono = mono.mean(axis=0, keepdims=True)
    kbits = max((k for k in _KBITS if k * 1000 <= bit_rate), default=_KBITS[0])
    rate = next((rate for limit, rate in _RATES if kbits * 1000 < limit), _FULL_RATE)
    mono = resample(mono, sr, rate)[0]
    lead = np.zeros(round(START * rate), np.float32)
    time = np.arange(len(lead)) / rate - MARK
    lead += 0.9 * np.exp(-0.5 * (time / _PULSE) ** 2).astype(np.float32)
    tail = np.zeros(rate // 10, np.float32)
    samples = np.concatenate([lead, np.clip(mono, -1, 1), tail])[None]
    pcm = np.ascontiguousarray((samples * 32_767).round().astype(np.int16))
    file = io.BytesIO()
    try:
        with av.open(file, "w", format="mp3",
                     options={"write_xing": "0", "id3v2_version": "0"}) as container:
            stream = container.add_stream("libmp3lame", rate=rate, layout="mono", format="s16p")
            stream.bit_rate = kbits * 1000
            for begin in range(0, pcm.shape[1], rate):
                frame = av.AudioFrame.from_ndarray(
                    np.ascontiguousarray(pcm[:, begin:begin + rate]), format="s16p",
                    layout="mono")
                frame.sample_rate, frame.pts = rate, begin
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except (av.FFmpegError, ValueError) as error:
        raise OutputError(f"audio of the report cannot be encoded as MP3 ({error}); "
                          "reinstall PyAV (pip install --force-reinstall av) or leave the "
                          "audio out with --no-audio") from error
    return file.getvalue()

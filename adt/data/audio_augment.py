"""Domain randomisation of rendered audio: recording, room, mixing desk, carrier.

Each function takes float32 audio of shape (channels, samples) at `SAMPLE_RATE` and a
`numpy.random.Generator` and returns new audio of the same shape. None of them moves
an onset by more than a millisecond, so labels stay valid.

`randomise` strings them together. What is linear (levels, EQ, room, bleed) is applied
to the pieces, so that they still add up to the drums; what is not (saturation,
compression, lossy coding) is applied to the mixture alone.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np

from ..frames import SAMPLE_RATE
from ..vocabulary import PIECE_TO_STEM

#: Ranges of piece levels in dB (lower, upper), around the kit's own balance.
LEVELS_DB = {"kick": (-6.0, 4.0), "snare": (-6.0, 4.0), "toms": (-8.0, 4.0),
             "hihat": (-25.0, 4.0), "cymbals": (-25.0, 4.0)}


def _gain(db: float) -> np.float32:
    return np.float32(10 ** (db / 20))


def _rms(audio: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if audio.size else 0.0


def _biquad(kind: str, frequency: float, gain_db: float, q: float) -> np.ndarray:
    """Second-order section of a peak or shelf (Bristow-Johnson, "Audio EQ Cookbook")."""
    a = 10 ** (gain_db / 40)
    w = 2 * np.pi * frequency / SAMPLE_RATE
    cos, alpha = np.cos(w), np.sin(w) / (2 * q)
    if kind == "peak":
        b = (1 + alpha * a, -2 * cos, 1 - alpha * a)
        d = (1 + alpha / a, -2 * cos, 1 - alpha / a)
    else:
        s = 1.0 if kind == "low" else -1.0
        root = 2 * np.sqrt(a) * alpha
        b = (a * (a + 1 - s * (a - 1) * cos + root), s * 2 * a * (a - 1 - s * (a + 1) * cos),
             a * (a + 1 - s * (a - 1) * cos - root))
        d = (a + 1 + s * (a - 1) * cos + root, s * -2 * (a - 1 + s * (a + 1) * cos),
             a + 1 + s * (a - 1) * cos - root)
    return np.array([*b, *d]) / d[0]


def _filter(sos: np.ndarray, audio: np.ndarray) -> np.ndarray:
    from scipy.signal import sosfilt
    return sosfilt(sos, audio, axis=-1).astype(np.float32)


def equalise(audio: np.ndarray, rng: np.random.Generator, max_db: float = 8.0) -> np.ndarray:
    """Random EQ: a low shelf, a high shelf and up to three peaks of ±`max_db`."""
    sections = [_biquad("low", rng.uniform(60, 300), rng.uniform(-max_db, max_db), 0.7),
                _biquad("high", rng.uniform(3000, 10000), rng.uniform(-max_db, max_db), 0.7)]
    for _ in range(rng.integers(4)):
        frequency = float(np.exp(rng.uniform(np.log(100), np.log(12000))))
        sections.append(_biquad("peak", frequency, rng.uniform(-max_db, max_db),
                                rng.uniform(0.5, 3)))
    return _filter(np.array(sections), audio)


def old_recording(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Low-pass at 3.5 to 12 kHz and high-pass at 30 to 150 Hz, as of old recordings."""
    from scipy.signal import butter
    high = butter(int(rng.integers(1, 5)), rng.uniform(3500, 12000), "lowpass",
                  fs=SAMPLE_RATE, output="sos")
    low = butter(2, rng.uniform(30, 150), "highpass", fs=SAMPLE_RATE, output="sos")
    return _filter(np.concatenate([high, low]), audio)


def impulse_response(rng: np.random.Generator, channels: int = 2) -> np.ndarray:
    """Synthetic room: a direct sound, early reflections, exponentially decaying noise.

    Returns
    -------
    ndarray of float32, shape (channels, samples)
        The direct sound is a one at sample 0 of every channel.
    """
    from scipy.signal import lfilter
    rt60, wet = rng.uniform(0.1, 0.9), _gain(rng.uniform(-30, -8))
    n = int(rt60 * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    tail = rng.standard_normal((channels, n)) * 10 ** (-3 * t / rt60)
    tail[:, t < rng.uniform(0.002, 0.02)] = 0
    pole = rng.uniform(0.2, 0.85)
    tail = lfilter([1 - pole], [1, -pole], tail, axis=-1)
    response = wet * tail / (np.sqrt((tail ** 2).sum(axis=-1, keepdims=True)) + 1e-9)
    for _ in range(rng.integers(2, 7)):
        at = rng.integers(int(0.001 * SAMPLE_RATE), int(0.03 * SAMPLE_RATE), channels)
        response[np.arange(channels), at] += rng.choice([-1, 1]) * rng.uniform(0.05, 0.5) * wet
    response[:, 0] = 1.0
    return response.astype(np.float32)


def convolve(audio: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Audio in a room, cut to its own length."""
    from scipy.signal import oaconvolve
    return oaconvolve(audio, response[:len(audio)], axes=-1)[:, :audio.shape[1]].astype(np.float32)


def room(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Audio in a random `impulse_response`."""
    return convolve(audio, impulse_response(rng, len(audio)))


def saturate(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Soft clipping (tanh) driven by 0 to 14 dB; the peak stays where it was."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0:
        return audio.copy()
    drive = _gain(rng.uniform(0, 14))
    return np.tanh(audio * (drive / peak)) * np.float32(peak / np.tanh(drive))


def compress(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Feed-forward compressor on blocks of 64 samples, channels linked, level made up.

    Threshold 6 to 24 dB under the peak, ratio 1.5 to 10 (at 10 it acts as a limiter),
    attack 0.5 to 30 ms, release 40 to 400 ms.
    """
    block = 64
    peak = float(np.abs(audio).max(initial=0.0))
    threshold, ratio = rng.uniform(-24, -6), rng.uniform(1.5, 10)
    attack, release = rng.uniform(0.0005, 0.03), rng.uniform(0.04, 0.4)
    if peak == 0:
        return audio.copy()
    n = audio.shape[1]
    padded = np.pad(np.abs(audio).max(axis=0) / peak, (0, -n % block))
    level = 20 * np.log10(padded.reshape(-1, block).max(axis=1) + 1e-6)
    wanted = np.minimum(0.0, (threshold - level) * (1 - 1 / ratio))
    down, up = (float(np.exp(-block / (SAMPLE_RATE * t))) for t in (attack, release))
    reduction, now = [], 0.0
    for target in wanted.tolist():
        pole = down if target < now else up
        now = pole * now + (1 - pole) * target
        reduction.append(now)
    centres = (np.arange(len(reduction)) + 0.5) * block
    gain = 10 ** (np.interp(np.arange(n), centres, reduction) / 20)
    out = audio * gain.astype(np.float32)
    return out * np.float32(peak / (np.abs(out).max() + 1e-9))


def noise(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Audio with hiss, 30 to 70 dB under its level, white to pink."""
    from scipy.signal import lfilter
    hiss = rng.standard_normal(audio.shape).astype(np.float32)
    hiss = lfilter([1.0], [1.0, -rng.uniform(0, 0.97)], hiss, axis=-1)
    return audio + (hiss / _rms(hiss) * _rms(audio) * _gain(rng.uniform(-70, -30))
                    ).astype(np.float32)


def lossy(audio: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What MP3 at 48 to 192 kbit/s leaves of the audio; unchanged without an encoder.

    Encoded and decoded in memory; the codec's delay is taken out again by cross-correlation.
    """
    bit_rate = int(rng.choice([48, 64, 96, 128, 192])) * 1000
    peak = float(np.abs(audio).max(initial=0.0))
    if peak == 0 or audio.shape[1] < 4 * 1152:
        return audio.copy()
    try:
        decoded = _mp3(audio / np.float32(max(1.0, peak)), bit_rate) * np.float32(max(1.0, peak))
    except (ImportError, LookupError, ValueError, OSError):
        return audio.copy()
    from scipy.signal import correlate
    n = audio.shape[1]
    probe = min(n, 10 * SAMPLE_RATE)
    a, b = audio[:, :probe].mean(axis=0), decoded[:, :probe + 4096].mean(axis=0)
    similar = correlate(b, a, "full", "fft")[probe - 1:probe - 1 + 4096]
    delay = int(np.argmax(np.abs(similar)))
    out = decoded[:, delay:delay + n]
    return np.pad(out, ((0, 0), (0, n - out.shape[1])))


def _mp3(audio: np.ndarray, bit_rate: int) -> np.ndarray:
    """Encode as MP3 and decode again, shape (channels, samples or more)."""
    import av
    channels = len(audio)
    layout = "stereo" if channels == 2 else "mono"
    if channels > 2:
        raise ValueError("MP3 has one or two channels")
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=SAMPLE_RATE)
        stream.layout = layout
        stream.format = "fltp"
        stream.bit_rate = bit_rate
        for start in range(0, audio.shape[1], 1152 * 64):
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(audio[:, start:start + 1152 * 64], np.float32),
                format="fltp", layout=layout)
            frame.sample_rate = SAMPLE_RATE
            frame.pts = start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as container:
        resampler = av.AudioResampler("fltp", layout, SAMPLE_RATE)
        blocks = [f.to_ndarray() for frame in container.decode(audio=0)
                  for f in resampler.resample(frame)]
    return np.concatenate(blocks, axis=1)


def levels(pieces: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Pieces at random levels: one for each stem (`LEVELS_DB`), ±3 dB for each piece."""
    of_stem = {stem: rng.uniform(lo, hi) if rng.random() < 0.5 else rng.uniform(-4, 4)
               for stem, (lo, hi) in LEVELS_DB.items()}
    return {piece: audio * _gain(of_stem[PIECE_TO_STEM[piece]] + rng.uniform(-3, 3))
            for piece, audio in pieces.items()}


def bleed(pieces: Mapping[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Pieces as other microphones hear them too: a dull copy, 1 to 8 ms late, −40 to −15 dB.

    The copy stays with its own piece, so pieces remain isolated and still add up.
    """
    from scipy.signal import butter
    dull = butter(1, rng.uniform(1500, 8000), "lowpass", fs=SAMPLE_RATE, output="sos")
    out = {}
    for piece, audio in pieces.items():
        delay = int(rng.uniform(0.001, 0.008) * SAMPLE_RATE)
        late = np.zeros_like(audio)
        late[:, delay:] = audio[:, :max(0, audio.shape[1] - delay)]
        out[piece] = audio + _filter(dull, late) * _gain(rng.uniform(-40, -15))
    return out


def accompany(drums: np.ndarray, accompaniment: np.ndarray, db: float) -> np.ndarray:
    """Accompaniment scaled to lie `db` dB over (or under, negative) the drums' level.

    Looped or cut to the drums' length, spread to their channels. Add it to the drums.
    """
    if accompaniment.shape[1] == 0:
        return np.zeros_like(drums)
    n = drums.shape[1]
    repeats = -(-n // accompaniment.shape[1])
    out = np.tile(accompaniment, (1, repeats))[:, :n]
    out = out if len(out) == len(drums) else np.broadcast_to(out.mean(axis=0), drums.shape)
    level = _rms(out)
    return (out * (_rms(drums) / level * _gain(db) if level > 0 else 0)).astype(np.float32)


#: (chance, effect) applied in this order to every piece alike, for they are linear ...
_LINEAR: tuple[tuple[float, Callable], ...] = ((0.35, equalise), (0.25, old_recording))
#: ... and to the mixture alone.
_NON_LINEAR: tuple[tuple[float, Callable], ...] = (
    (0.3, saturate), (0.4, compress), (0.3, noise), (0.2, lossy))


def randomise(pieces: Mapping[str, np.ndarray], rng: np.random.Generator, *,
              accompaniment: np.ndarray | None = None,
              accompaniment_db: tuple[float, float] = (-12.0, 6.0), linear_only: bool = False,
              ) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Random recording of rendered pieces.

    Parameters
    ----------
    pieces : mapping of str to ndarray, shape (channels, samples)
        From `adt.data.render.render_pieces`.
    rng : numpy.random.Generator
    accompaniment : ndarray, shape (channels, samples), optional
        Drumless music, mixed at a level drawn from `accompaniment_db` (dB over the drums).
    linear_only : bool
        Leave out what is not linear: pieces (and accompaniment) then sum to the mixture.

    Returns
    -------
    pieces : dict of str to ndarray of float32
        After levels, EQ, room and bleed: references for separation.
    mixture : ndarray of float32, shape (channels, samples)
        Their sum, with accompaniment, saturation, compression, noise and loss; its peak
        and that of the pieces are scaled by one factor to at most 1.
    """
    if not pieces:
        raise ValueError("no pieces to randomise; render at least one stroke")
    pieces = levels(pieces, rng)
    if rng.random() < 0.5:
        pieces = {piece: equalise(audio, rng, 5.0) for piece, audio in pieces.items()}
    if rng.random() < 0.3:
        pieces = bleed(pieces, rng)
    if rng.random() < 0.5:
        channels = len(next(iter(pieces.values())))
        response = impulse_response(rng, channels)
        pieces = {piece: convolve(audio, response) for piece, audio in pieces.items()}
    for chance, effect in _LINEAR:
        if rng.random() < chance:
            seed = int(rng.integers(2 ** 32))
            pieces = {piece: effect(audio, np.random.default_rng(seed))
                      for piece, audio in pieces.items()}
    mixture = np.sum(list(pieces.values()), axis=0, dtype=np.float32)
    if accompaniment is not None:
        mixture = mixture + accompany(mixture, accompaniment, rng.uniform(*accompaniment_db))
    if not linear_only:
        for chance, effect in _NON_LINEAR:
            if rng.random() < chance:
                mixture = effect(mixture, rng)
    peak = max(float(np.abs(mixture).max(initial=0.0)),
               *(float(np.abs(audio).max(initial=0.0)) for audio in pieces.values()))
    scale = np.float32(1.0 if peak == 0 else rng.uniform(0.3, 1.0) / peak)
    return {piece: audio * scale for piece, audio in pieces.items()}, mixture * scale

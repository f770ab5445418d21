"""A small drum synthesiser of our own: every stroke a few lines of arithmetic.

It makes a complete sampled kit (nine pieces, side stick, pedal hi-hat, ride
bell) that the demo, the tests and trial trainings play, so that none of them
needs a download. Membranes are decaying sines whose pitch falls from the blow
(Fletcher & Rossing, "The Physics of Musical Instruments", ch. 18), cymbals are
inharmonic partials and noise; a softer blow is quieter and duller.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from .errors import OutputError
from .frames import SAMPLE_RATE

#: Upper velocity of each layer, softest first.
LAYERS = (42, 84, 127)

#: Recordings of every stroke in every layer.
ROUND_ROBINS = 2

#: Silence before the onset in every file, samples.
PRE_ROLL = 64

#: Ratios of a circular membrane's modes to its lowest.
MEMBRANE = (1.59, 2.14, 2.30, 2.65, 2.92, 3.50, 4.06, 4.83)


def draw(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm."""
    return float(low * (high / low) ** rng.random())


def time_axis(seconds: float) -> np.ndarray:
    """Times of the samples of a sound, seconds."""
    return np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE


def fade_out(length: int) -> np.ndarray:
    """Gain of the samples of a sound that ends in 20 ms."""
    return np.minimum(1.0, np.arange(length, 0, -1) / (0.02 * SAMPLE_RATE))


def finished(sound: np.ndarray, bright: float, level: float) -> np.ndarray:
    """A sound dulled above `bright` Hz, faded out, with its peak at `level`."""
    from scipy.signal import lfilter
    pole = np.exp(-2 * np.pi * bright / SAMPLE_RATE)
    sound = lfilter([1 - pole], [1, -pole], sound)
    sound *= fade_out(len(sound))
    return sound * (level / np.abs(sound).max())


def noise_band(rng: np.random.Generator, t: np.ndarray, low: float, high: float) -> np.ndarray:
    """White noise band-passed between two frequencies in Hz, of unit standard deviation."""
    from scipy.signal import butter, sosfilt
    sos = butter(2, (low, min(high, 0.49 * SAMPLE_RATE)), "bandpass", fs=SAMPLE_RATE,
                 output="sos")
    noise = sosfilt(sos, rng.standard_normal(len(t)))
    return noise / (noise.std() + 1e-9)


def decaying_mode(t: np.ndarray, frequency: float, decay: float, bend: float = 0.0,
                  bend_time: float = 0.03, start: float = 0.0) -> np.ndarray:
    """Decaying sine that starts `bend` times higher and falls to `frequency` (Hz)."""
    if not bend:  # powers of one complex number, as products of few: no sine for each sample
        rate = (2j * np.pi * frequency - 1 / decay) / SAMPLE_RATE
        block = np.exp(rate * np.arange(256))
        blocks = np.exp(rate * 256 * np.arange(len(t) // 256 + 1) + 2j * np.pi * start)
        return np.outer(blocks, block).imag.ravel()[:len(t)]
    phase = frequency * (t + bend * bend_time * (1 - np.exp(-t / bend_time))) + start
    return np.sin(2 * np.pi * phase) * np.exp(-t / decay)


def _kick(rng, tune, force):
    t = time_axis(0.6)
    click = noise_band(rng, t, 1500, 6000) * np.exp(-t / 0.003)
    return (decaying_mode(t, 52 * tune, 0.13, 2.2, 0.022) + 0.3 * decaying_mode(t, 105 * tune, 0.04)
            + 0.25 * force * click)


def _snare(rng, tune, force):
    t = time_axis(0.5)
    shell = (0.7 * decaying_mode(t, 185 * tune, 0.04, 0.4, 0.01)
             + 0.45 * decaying_mode(t, 330 * tune, 0.03))
    wires = noise_band(rng, t, 1200, 11000) * np.exp(-t / 0.075)
    return 0.6 * shell + (0.4 + 0.2 * force) * wires


def _side_stick(rng, tune, force):
    t = time_axis(0.25)
    return (0.8 * decaying_mode(t, 820 * tune, 0.012) + 0.7 * decaying_mode(t, 1730 * tune, 0.009)
            + 0.2 * force * noise_band(rng, t, 2000, 8000) * np.exp(-t / 0.004))


def _tom(frequency: float, decay: float) -> Callable:
    def stroke(rng, tune, force):
        t = time_axis(6 * decay)
        head = sum(decaying_mode(t, ratio * frequency * tune, decay / ratio ** 1.3, 0.35, 0.04)
                   * 0.75 ** k for k, ratio in enumerate((1.0, *MEMBRANE)))
        skin = noise_band(rng, t, 2 * frequency, 5000) * np.exp(-t / (0.2 * decay))
        stick = noise_band(rng, t, 1500, 9000) * np.exp(-t / 0.008)
        return head + 0.30 * skin + 0.25 * force * stick
    return stroke


def partials(t: np.ndarray, tune: float, low: float, high: float, count: int, decay: float,
             slope: float, bronze: int | None = None) -> np.ndarray:
    """Dense inharmonic partials of a cymbal: the higher the shorter.

    From `low` to `high` Hz, decaying in `decay` seconds at `low`, `slope` in dB an octave. The
    same `bronze` (by default `count`) has the same partials in every take.
    """
    rng = np.random.default_rng(count if bronze is None else bronze)
    frequencies = low * (high / low) ** rng.random(count)
    levels = rng.rayleigh(1.0, count) * (frequencies / low) ** (slope / 6.02)
    phases = rng.random(count)  # without them all partials peak at the blow
    return sum(level * decaying_mode(t, f * tune, decay * (low / f) ** 0.35, start=phase)
               for f, level, phase in zip(frequencies, levels, phases)) / np.sqrt(count)


def square_metal(rng: np.random.Generator, t: np.ndarray, tune: float,
                 base: float) -> np.ndarray:
    """Sum of six square waves at inharmonic ratios (the classic analogue cymbal)."""
    ratios = np.array([1.0, 1.342, 1.2312, 1.6532, 1.9523, 2.1523])
    phases = rng.random(6)
    return sum(np.sign(np.sin(2 * np.pi * (base * tune * r * t + p)))
               for r, p in zip(ratios, phases)) / 6


def _hihat(decay: float, low: float = 6000.0, seconds: float | None = None) -> Callable:
    def stroke(rng, tune, force):
        from scipy.signal import butter, sosfilt
        t = time_axis(seconds or 7 * decay)
        high_pass = butter(4, low * tune, "highpass", fs=SAMPLE_RATE, output="sos")
        body = sosfilt(high_pass, square_metal(rng, t, tune, 540.0))
        hiss = noise_band(rng, t, low, 16000)
        blow = np.exp(-t / 0.008)
        edge = partials(t, tune, 450.0, low, 40, 1.5 * decay, 1.0)
        stick = noise_band(rng, t, 800, low) * blow
        return ((2.0 * body + 0.35 * hiss) * (np.exp(-t / decay) + 0.6 * force * blow)
                + 0.10 * edge + 0.15 * force * stick)
    return stroke


def _ride(bell: bool) -> Callable:
    def stroke(rng, tune, force):
        t = time_axis(2.4)
        if bell:
            body = partials(t, tune, 700.0, 9000.0, 40, 1.4, -2.0)
        else:
            body = partials(t, tune, 350.0, 15000.0, 150, 1.8, -0.5)
        wash = noise_band(rng, t, 3500, 15000) * np.exp(-t / 0.6)
        stick = noise_band(rng, t, 2000, 16000) * np.exp(-t / 0.010)
        return body * (0.6 + 1.4 * np.exp(-t / 0.05)) + 0.15 * wash + 1.5 * force * stick
    return stroke


def _crash(rng, tune, force):
    t = time_axis(3.0)
    rise = 1 - np.exp(-t / 0.004)
    high = noise_band(rng, t, 3000, 16000) * np.exp(-t / 0.45)
    body = partials(t, tune, 300.0, 9000.0, 120, 0.8, -0.5)
    return rise * (0.5 * high + 1.2 * body) + 0.8 * force * high * np.exp(-t / 0.06)


#: Articulation → (stroke, peak level at full velocity, pan -1..1).
_STROKES: dict[str, tuple[Callable, float, float]] = {
    "kick": (_kick, 0.80, 0.0),
    "snare": (_snare, 0.65, 0.05),
    "tom_high": (_tom(185.0, 0.16), 0.55, -0.35),
    "tom_mid": (_tom(130.0, 0.20), 0.55, 0.1),
    "tom_floor": (_tom(82.0, 0.26), 0.60, 0.45),
    "hihat_closed": (_hihat(0.035), 0.26, 0.3),
    "hihat_open": (_hihat(0.32), 0.30, 0.3),
    "ride": (_ride(bell=False), 0.40, -0.4),
    "crash": (_crash, 0.42, -0.25),
    "side_stick": (_side_stick, 0.45, 0.05),
    "hihat_pedal": (_hihat(0.022, 4500.0, 0.25), 0.16, 0.3),
    "ride_bell": (_ride(bell=True), 0.32, -0.4),
}


def stroke(articulation: str, velocity: int = 127, seed: int = 0, take: int = 0) -> np.ndarray:
    """One stroke of the synthesiser.

    Parameters
    ----------
    articulation : str
        One of the nine pieces, ``side_stick``, ``hihat_pedal`` or ``ride_bell``.
    velocity : int
        1 to 127. Amplitude grows with its square, brightness with it.
    seed : int
        Chooses the kit (its tuning).
    take : int
        Chooses the take (round robin) on that kit.

    Returns
    -------
    ndarray of float32, shape (samples,)
        Mono at `SAMPLE_RATE`; the blow falls on sample 0.
    """
    make, level, _ = _STROKES[articulation]
    index = list(_STROKES).index(articulation)
    tune = 2 ** (np.random.default_rng([seed, index]).uniform(-2.5, 2.5) / 12)
    rng = np.random.default_rng([seed, index, velocity, take])
    force = velocity / 127
    x = make(rng, tune * (1 + 0.004 * rng.standard_normal()), force)
    bright = 2 if articulation in ("kick", "tom_high", "tom_mid", "tom_floor") else 1
    x = finished(x, 18000 * force ** (1.6 * bright),
                 level * force ** 2 * (1 + 0.03 * rng.standard_normal()))
    return np.clip(x, -1, 1).astype(np.float32)


def write_kit(folder: Path | str, seed: int = 0) -> Path:
    """Write a complete synthetic kit: ``kit.json`` and FLAC files (PCM 16 bit).

    The same `seed` gives the same files; another seed tunes the drums otherwise.

    Parameters
    ----------
    folder : path
        Made if missing; files in it are overwritten.
    seed : int

    Returns
    -------
    Path
        `folder`, for `adt.data.kits.read_kit`.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    strokes = {articulation: [[stroke(articulation, high, seed, take)
                               for take in range(1, ROUND_ROBINS + 1)] for high in LAYERS]
               for articulation in _STROKES}
    return write_strokes(folder, f"synth-{seed}", "electronic", strokes, LAYERS,
                         {a: pan for a, (_, _, pan) in _STROKES.items()}, "adt.synth")


def write_strokes(folder: Path | str, name: str, kind: str,
                  strokes: Mapping[str, Sequence[Sequence[np.ndarray]]],
                  layers: Sequence[int], pans: Mapping[str, float], attribution: str) -> Path:
    """Write strokes as a sampled kit: ``kit.json`` and FLAC files (PCM 16 bit).

    Parameters
    ----------
    folder : path
        Made if missing; files in it are overwritten.
    name, kind, attribution : str
        Of the kit; its family is its name.
    strokes : mapping of str to sequences
        Articulation → one sequence for each of the layers → takes, each float32 (samples,) with
        the blow on sample 0.
    layers : sequence of int
        Upper velocity of each layer, softest first.
    pans : mapping of str to float
        Articulation → -1 (left) to 1.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    import soundfile
    folder = Path(folder)
    pieces: dict[str, list[dict]] = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for articulation, by_layer in strokes.items():
            pieces[articulation] = []
            for layer, takes in enumerate(by_layer):
                for take, audio in enumerate(takes, 1):
                    file = f"{articulation}_l{layer + 1:02d}_r{take}.flac"
                    audio = np.concatenate([np.zeros(PRE_ROLL, np.float32), audio])
                    soundfile.write(folder / file, audio, SAMPLE_RATE, subtype="PCM_16")
                    pieces[articulation].append({
                        "file": file, "round_robin": take, "layer": layer + 1,
                        "pan": pans[articulation],
                        "velocity_lo": layers[layer - 1] + 1 if layer else 1,
                        "velocity_hi": layers[layer],
                        "onset_ms": round(1000 * PRE_ROLL / SAMPLE_RATE, 6)})
        meta = {"name": name, "family": name, "licence": "CC0-1.0",
                "attribution": attribution, "kind": kind, "sample_rate": SAMPLE_RATE,
                "channels": 1, "bit_depth": 16, "pieces": pieces}
        part = folder / ".kit.json.part"
        part.write_text(json.dumps(meta, indent=1), encoding="utf-8")
        os.replace(part, folder / "kit.json")
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"{folder}: the kit cannot be written ({error}); choose another folder") from error
    return folder

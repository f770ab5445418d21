"""Hand percussion that nobody built: instruments drawn at random, for training.

What a transcription must not take for drums sounds as many ways as there are tambourines: a sound
font has one. As in `adt.data.random_kits`, every instrument has jingles, grains, wood, bells or
skin of its own, and every stroke is a few decaying sines and bands of noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..frames import SAMPLE_RATE
from ..synth import decaying_mode, draw, fade_out, noise_band, time_axis

#: Force of each stroke of an instrument, softest first.
FORCES = (0.4, 0.7, 1.0)

Stroke = Callable[[np.random.Generator, float], np.ndarray]  #: of take's generator and force 0..1


def _repeated(take: np.random.Generator, sound: np.ndarray, blows: int, seconds: float,
              fall: float) -> np.ndarray:
    """A sound several times within `seconds`, by and by softer: what is loose strikes again."""
    result = np.zeros(len(sound))
    times = np.sort(np.append(0.0, take.uniform(0, seconds, blows - 1)))
    for k, time in enumerate(times):
        start = round(time * SAMPLE_RATE)
        result[start:] += fall ** k * take.uniform(0.5, 1.0) * sound[:len(sound) - start]
    return result


def _jingles(rng: np.random.Generator, pairs: int, low: float, high: float, longest: float,
             seconds: float) -> Stroke:
    """Pairs of small plates, each a few sharp modes, all shaken by one blow."""
    decay, modes = draw(rng, 0.03, longest), []
    centre, spread = draw(rng, low, high), rng.uniform(0.15, 0.8)  # Hz, octaves
    for _ in range(pairs):
        first = centre * 2 ** (spread * rng.standard_normal())
        for ratio in (1.0, rng.uniform(1.02, 1.2), rng.uniform(1.3, 2.2)):
            if 1500 < first * ratio < 16000:
                modes.append((first * ratio, rng.rayleigh() ** 2, decay * draw(rng, 0.5, 1.5)))
    modes = modes or [(centre, 1.0, decay)]
    blows, fall, rattle = int(rng.integers(2, 9)), rng.uniform(0.6, 1.0), rng.uniform(0, 0.6)
    thump, pitch = (rng.uniform(0, 1.0) if rng.random() < 0.4 else 0.0), draw(rng, 150, 600)

    def stroke(take, force):
        t = time_axis(min(1.2, seconds + 5 * decay))
        ring = sum(level * decaying_mode(t, f, long, start=take.random())
                   for f, level, long in modes) / np.sqrt(len(modes))
        ring += rattle * noise_band(take, t, low, 1.6 * high) * np.exp(-t / 0.015)
        x = _repeated(take, ring, blows, seconds, fall)
        return x + thump * force * decaying_mode(t, pitch, 0.03)
    return stroke


def _tambourine(rng: np.random.Generator) -> Stroke:
    return _jingles(rng, int(rng.integers(3, 13)), 3500, 9500, 0.3, draw(rng, 0.005, 0.06))


def _sleigh_bells(rng: np.random.Generator) -> Stroke:
    return _jingles(rng, int(rng.integers(8, 25)), 3000, 7000, 0.4, draw(rng, 0.03, 0.12))


def _shaker(rng: np.random.Generator) -> Stroke:
    low = draw(rng, 1500, 7000)
    high, attack = low * rng.uniform(1.5, 4.0), draw(rng, 0.003, 0.05)
    decay, grains = draw(rng, 0.015, 0.08), draw(rng, 50, 5000)  # grains a second

    def stroke(take, force):
        t = time_axis(0.5)
        rough = take.poisson(grains / SAMPLE_RATE * 40, len(t)) / (grains / SAMPLE_RATE * 40)
        x = noise_band(take, t, low, min(high, 18000)) * (0.3 + 0.7 * np.minimum(rough, 20))
        return x * (1 - np.exp(-t / attack)) ** 2 * np.exp(-np.maximum(0, t - attack) / decay)
    return stroke


def _clap(rng: np.random.Generator) -> Stroke:
    low = draw(rng, 600, 1800)
    high, hands = low * rng.uniform(1.8, 5.0), int(rng.integers(1, 6))
    seconds, short = rng.uniform(0.005, 0.035), draw(rng, 0.003, 0.012)
    tail, decay = rng.uniform(0, 0.5), draw(rng, 0.03, 0.2)

    def stroke(take, force):
        t = time_axis(min(1.0, 0.1 + 5 * decay))
        x = _repeated(take, noise_band(take, t, low, high) * np.exp(-t / short), hands, seconds,
                      1.0)
        return x + tail * noise_band(take, t, low, high) * np.exp(-t / decay)
    return stroke


def _modal(rng: np.random.Generator, low: float, high: float, count: int, shortest: float,
           longest: float, click: float) -> Stroke:
    """A few modes and a click: wood, bells."""
    base = draw(rng, low, high)
    modes = [(base, 1.0, draw(rng, shortest, longest))]
    modes += [(base * rng.uniform(1.2, 5.0), rng.uniform(0.1, 1.0), draw(rng, shortest, longest))
              for _ in range(rng.integers(1, count + 1))]
    longest = max(long for *_, long in modes)

    def stroke(take, force):
        t = time_axis(min(1.5, 0.05 + 5 * longest))
        x = sum(level * decaying_mode(t, f, long) for f, level, long in modes if f < 18000)
        return x + click * force * noise_band(take, t, base, 4 * base) * np.exp(-t / 0.003)
    return stroke


def _wood(rng: np.random.Generator) -> Stroke:
    return _modal(rng, 500, 2800, 3, 0.006, 0.06, rng.uniform(0, 0.5))


def _bell(rng: np.random.Generator) -> Stroke:
    if rng.random() < 0.3:  # a triangle
        return _modal(rng, 1500, 4500, 8, 0.1, 1.2, rng.uniform(0, 0.3))
    return _modal(rng, 450, 1600, 4, 0.03, 0.4, rng.uniform(0, 0.5))


def _hand_drum(rng: np.random.Generator) -> Stroke:
    pitch, decay = draw(rng, 190, 480), draw(rng, 0.03, 0.25)
    slap, low = rng.uniform(0, 1.0), draw(rng, 700, 2500)

    def stroke(take, force):
        t = time_axis(min(1.2, 0.1 + 5 * decay))
        x = decaying_mode(t, pitch, decay, 0.1, 0.01)
        x += 0.4 * decaying_mode(t, 1.59 * pitch, 0.4 * decay)
        return x + slap * force * noise_band(take, t, low, 4 * low) * np.exp(-t / 0.008)
    return stroke


#: Instrument → how it is made, and how often it is drawn.
INSTRUMENTS: dict[str, tuple[Callable[[np.random.Generator], Stroke], float]] = {
    "tambourine": (_tambourine, 5.0), "sleigh_bells": (_sleigh_bells, 1.0),
    "shaker": (_shaker, 3.0), "clap": (_clap, 2.0), "wood": (_wood, 1.0), "bell": (_bell, 1.0),
    "hand_drum": (_hand_drum, 1.0),
}


def random_percussion(seed: int) -> tuple[str, list[np.ndarray]]:
    """An instrument of hand percussion drawn at random.

    Parameters
    ----------
    seed : int

    Returns
    -------
    name : str
        One of `INSTRUMENTS`.
    strokes : list of ndarray of float32, shape (samples,)
        One for each of `FORCES`, mono at `SAMPLE_RATE`; what strikes first does so at sample 0.
    """
    rng = np.random.default_rng([seed, 7])
    chances = np.array([chance for _, chance in INSTRUMENTS.values()])
    name = list(INSTRUMENTS)[rng.choice(len(chances), p=chances / chances.sum())]
    make = INSTRUMENTS[name][0](rng)
    strokes = []
    for k, force in enumerate(FORCES):
        x = make(np.random.default_rng([seed, 8, k]), force)
        x *= fade_out(len(x))
        strokes.append((0.9 * force ** 2 * x / np.abs(x).max()).astype(np.float32))
    return name, strokes

"""Basses that nobody built: instruments drawn at random, for training.

A plucked bass begins with a thump of its body or a slap on its fingerboard: where no kick is
played every note of a walking bass may seem one, and the sound fonts at hand have few basses. As
in `adt.data.random_kits`, every instrument has strings, body, fingers and fretboard of its own: a
note is the partials of a stiff string that is plucked somewhere (Fletcher & Rossing, "The Physics
of Musical Instruments", ch. 2 and 9), modes of the body that ring at any note alike, and noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..synth import decaying_mode, draw, fade_out, noise_band, time_axis

#: MIDI notes that every instrument has, lowest first.
PITCHES = (28, 31, 34, 38, 41, 45, 49, 54)

_SECONDS = 2.0  #: longest note
_HIGHEST = 7000.0  #: Hz; no partial is above

Note = Callable[[np.random.Generator, float], np.ndarray]  #: of take's generator and pitch in Hz


def _string(rng: np.random.Generator, longest: tuple[float, float], bright: tuple[float, float],
            attack: tuple[float, float], thump: float, click: float) -> Note:
    """A plucked string: ranges of decay (s), brightness (Hz) and attack (s), most thump and click.
    """
    decay, cutoff = draw(rng, *longest), draw(rng, *bright)
    rise, place = draw(rng, *attack), rng.uniform(0.06, 0.4)
    slope, stiff = rng.uniform(0.4, 1.6), draw(rng, 3e-5, 1e-3)
    body = [(draw(rng, 45, 260), rng.uniform(0.1, 1.0), draw(rng, 0.012, 0.09))
            for _ in range(rng.integers(1, 4))]
    boxy = [(draw(rng, 55, 500), rng.uniform(0.15, 0.5), rng.uniform(-3, 9)) for _ in range(3)]
    knock, tick = thump * rng.random(), click * rng.random() ** 2
    low, short = draw(rng, 500, 2500), draw(rng, 0.002, 0.02)
    scrape = rng.uniform(0, 0.03) if rng.random() < 0.3 else 0.0

    def gain(frequency):
        """Of the body and the microphone, at a frequency in Hz."""
        resonance = sum(level * np.exp(-0.5 * (np.log2(frequency / f) / width) ** 2)
                        for f, width, level in boxy)
        return 10 ** (resonance / 20) / (1 + (frequency / cutoff) ** 2)

    def note(take, pitch):
        t, x = time_axis(_SECONDS), 0.0
        for k in range(1, 60):
            frequency = pitch * k * np.sqrt(1 + stiff * k * k)
            if frequency > _HIGHEST:
                break
            level = abs(np.sin(np.pi * k * place)) / k ** slope * gain(frequency)
            long = decay * (110 / pitch) ** 0.3 / (1 + 0.15 * (k - 1) + frequency / (2 * cutoff))
            x = x + level * take.uniform(0.6, 1.0) * decaying_mode(
                t, frequency, long, start=take.random())
        x *= (1 - np.exp(-t / rise)) / np.abs(x).max()
        x += scrape * noise_band(take, t, low, 3 * low) * np.exp(-t / 0.15)
        thumps = sum(level * decaying_mode(t, f * take.uniform(0.97, 1.03), long)
                     for f, level, long in body)
        x += knock * take.uniform(0.6, 1.2) * thumps / np.abs(thumps).max()
        return x + tick * take.uniform(0.4, 1.3) * noise_band(
            take, t, low, 4 * low) * np.exp(-t / short)
    return note


def _upright(rng: np.random.Generator) -> Note:
    return _string(rng, (0.2, 1.2), (250, 1600), (0.0008, 0.012), 1.3, 0.5)


def _electric(rng: np.random.Generator) -> Note:
    return _string(rng, (0.5, 3.0), (300, 3000), (0.001, 0.008), 0.4, 0.4)


def _slapped(rng: np.random.Generator) -> Note:
    return _string(rng, (0.1, 1.5), (600, 5000), (0.0003, 0.002), 1.0, 1.2)


def _muted(rng: np.random.Generator) -> Note:
    return _string(rng, (0.04, 0.2), (200, 1500), (0.0005, 0.006), 1.0, 0.5)


def _synthetic(rng: np.random.Generator) -> Note:
    """Partials of a saw, a square or a sine through a filter that closes."""
    slope, even = rng.uniform(0.9, 2.5), float(rng.random() < 0.7)
    opened, closed = draw(rng, 200, 5000), draw(rng, 80, 600)
    fall, decay = draw(rng, 0.02, 0.5), draw(rng, 0.15, 4.0)
    rise, tick = draw(rng, 0.0005, 0.01), 0.5 * rng.random() ** 2

    def note(take, pitch):
        t, x = time_axis(_SECONDS), 0.0
        cutoff = closed + opened * np.exp(-t / fall)
        for k in range(1, 40):
            if pitch * k > _HIGHEST:
                break
            level = (even if k % 2 == 0 else 1.0) / k ** slope
            x = x + level * decaying_mode(t, pitch * k, decay, start=take.random()) / (
                1 + (pitch * k / cutoff) ** 2)
        x *= (1 - np.exp(-t / rise)) / np.abs(x).max()
        return x + tick * noise_band(take, t, 1000, 5000) * np.exp(-t / 0.004)
    return note


#: Instrument → how it is made, and how often it is drawn.
INSTRUMENTS: dict[str, tuple[Callable[[np.random.Generator], Note], float]] = {
    "upright": (_upright, 5.0), "electric": (_electric, 2.0), "slapped": (_slapped, 2.0),
    "muted": (_muted, 1.0), "synthetic": (_synthetic, 1.0),
}


def random_bass(seed: int) -> tuple[str, list[np.ndarray]]:
    """A bass drawn at random.

    Parameters
    ----------
    seed : int

    Returns
    -------
    name : str
        One of `INSTRUMENTS`.
    notes : list of ndarray of float32, shape (samples,)
        One for each of `PITCHES`, mono at `SAMPLE_RATE`, plucked at sample 0.
    """
    rng = np.random.default_rng([seed, 11])
    chances = np.array([chance for _, chance in INSTRUMENTS.values()])
    name = list(INSTRUMENTS)[rng.choice(len(chances), p=chances / chances.sum())]
    make, notes = INSTRUMENTS[name][0](rng), []
    for k, pitch in enumerate(PITCHES):
        take = np.random.default_rng([seed, 12, k])
        x = make(take, 440 * 2 ** ((pitch - 69) / 12))
        x *= fade_out(len(x)) * take.uniform(0.7, 1.0) / np.abs(x).max()
        notes.append(x.astype(np.float32))
    return name, notes

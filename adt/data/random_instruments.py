"""Basses and other pitched instruments that nobody built, drawn at random, for training.

A plucked bass begins with a thump of its body or a slap on its fingerboard, and bars, kettledrums,
harps and whistles ring as toms do: where no kick or no tom is played every note of theirs may seem
one, and the sound fonts at hand have few of them. As in `adt.data.random_kits`, every instrument
has strings, body, fingers or bars of its own: a note is the partials of a stiff string that is
plucked somewhere, of a bar, a membrane or a pipe (Fletcher & Rossing, "The Physics of Musical
Instruments"), modes of the body that ring at any note alike, and noise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..synth import MEMBRANE, decaying_mode, draw, fade_out, noise_band, time_axis

#: MIDI notes of the basses, and of the other instruments, lowest first.
LOW, HIGH = (28, 31, 34, 38, 41, 45, 49, 54), (43, 48, 53, 58, 63, 68, 74, 81)

_SECONDS = 2.0  #: longest note
_HIGHEST = 9000.0  #: Hz; no partial is above

Note = Callable[[np.random.Generator, float], np.ndarray]  #: of take's generator and pitch in Hz
Maker = Callable[[np.random.Generator], Note]  #: draws an instrument


class Instrument(NamedTuple):
    """An instrument that was drawn.

    Attributes
    ----------
    name : str
        One of `INSTRUMENTS`.
    bass : bool
        Whether its pitches are `LOW`, not `HIGH`.
    notes : list of ndarray of float32, shape (samples,)
        One for each of its pitches, mono at `SAMPLE_RATE`, begun at sample 0.
    """

    name: str
    bass: bool
    notes: list[np.ndarray]


def _string(longest: tuple[float, float], bright: tuple[float, float],
            attack: tuple[float, float], thump: float, click: float) -> Maker:
    """A plucked string: ranges of decay (s), brightness (Hz) and attack (s), most thump and click.
    """
    def make(rng):
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
                long = decay * (110 / pitch) ** 0.3 / (
                    1 + 0.15 * (k - 1) + frequency / (2 * cutoff))
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
    return make


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


def _struck(ratios: tuple[float, ...], longest: tuple[float, float]) -> Maker:
    """Something struck whose partials have these ratios, more or less, and range of decay (s)."""
    def make(rng):
        decay, slope = draw(rng, *longest), rng.uniform(0.3, 3.0)
        own = [ratio * rng.uniform(0.97, 1.03) if ratio > 1 else ratio for ratio in ratios]
        levels = [rng.rayleigh() / ratio ** slope if ratio > 1 else 1.0 for ratio in own]
        faster, bend = rng.uniform(0.3, 1.5), rng.uniform(0, 0.05) * (rng.random() < 0.3)
        click, low, short = 0.6 * rng.random() ** 2, draw(rng, 300, 3000), draw(rng, 0.002, 0.02)

        def note(take, pitch):
            t = time_axis(_SECONDS)
            x = sum(level * take.uniform(0.7, 1.0) * decaying_mode(
                t, pitch * ratio, decay / ratio ** faster, bend, start=take.random())
                for ratio, level in zip(own, levels) if pitch * ratio < _HIGHEST)
            return x / np.abs(x).max() + click * take.uniform(0.4, 1.3) * noise_band(
                take, t, low, 4 * low) * np.exp(-t / short)
        return note
    return make


def _blown(rng: np.random.Generator) -> Note:
    """A pipe, a whistle or a lead: few partials that begin within some ms and stay."""
    slope, even = rng.uniform(1.0, 4.0), float(rng.random() < 0.6)
    rise, decay = draw(rng, 0.002, 0.06), draw(rng, 0.3, 6.0)
    breath, chiff = 0.1 * rng.random() ** 2, 0.5 * rng.random() ** 2

    def note(take, pitch):
        t, x = time_axis(_SECONDS), 0.0
        for k in range(1, 12):
            if pitch * k > _HIGHEST:
                break
            level = (even if k % 2 == 0 else 1.0) / k ** slope
            x = x + level * decaying_mode(t, pitch * k, decay, start=take.random())
        x *= (1 - np.exp(-t / rise)) / np.abs(x).max()
        return x + noise_band(take, t, pitch, 5 * pitch) * (
            breath * (1 - np.exp(-t / rise)) + chiff * np.exp(-t / 0.02))
    return note


#: Instrument → how it is made, how often it is drawn, and whether it is a bass.
INSTRUMENTS: dict[str, tuple[Maker, float, bool]] = {
    "upright": (_string((0.2, 1.2), (250, 1600), (0.0008, 0.012), 1.3, 0.5), 5.0, True),
    "electric": (_string((0.5, 3.0), (300, 3000), (0.001, 0.008), 0.4, 0.4), 2.0, True),
    "slapped": (_string((0.1, 1.5), (600, 5000), (0.0003, 0.002), 1.0, 1.2), 2.0, True),
    "muted": (_string((0.04, 0.2), (200, 1500), (0.0005, 0.006), 1.0, 0.5), 1.0, True),
    "synthetic": (_synthetic, 1.0, True),
    "plucked": (_string((0.05, 1.2), (400, 6000), (0.0003, 0.006), 0.6, 0.6), 2.0, False),
    "keys": (_string((0.4, 3.0), (300, 5000), (0.001, 0.01), 0.4, 0.2), 2.0, False),
    "bar": (_struck((1.0, 2.76, 5.40, 8.93), (0.05, 1.5)), 1.5, False),
    "tuned_bar": (_struck((1.0, 3.9, 9.2), (0.04, 0.8)), 1.0, False),
    "kettle": (_struck((1.0, 1.5, 1.98, 2.44, *MEMBRANE[3:]), (0.15, 1.2)), 1.5, False),
    "blown": (_blown, 2.0, False), "lead": (_synthetic, 1.0, False),
}


def random_instrument(seed: int) -> Instrument:
    """An instrument drawn at random: the same for the same seed."""
    rng = np.random.default_rng([seed, 11])
    chances = np.array([chance for _, chance, _ in INSTRUMENTS.values()])
    name = list(INSTRUMENTS)[rng.choice(len(chances), p=chances / chances.sum())]
    maker, _, bass = INSTRUMENTS[name]
    make, notes = maker(rng), []
    for k, pitch in enumerate(LOW if bass else HIGH):
        take = np.random.default_rng([seed, 12, k])
        x = make(take, 440 * 2 ** ((pitch - 69) / 12))
        x *= fade_out(len(x)) * take.uniform(0.7, 1.0) / np.abs(x).max()
        notes.append(x.astype(np.float32))
    return Instrument(name, bass, notes)

"""Drum machines that nobody built: circuits drawn at random, for training.

The sounds of analogue drum machines are made alike: kick and toms are the same ringing circuit at
other pitches, so that a low tom is told from a kick only by what else is played; hats and cymbals
are the same square waves or the same noise, longer or shorter. Nothing rings or rattles along, and
a harder stroke is louder, not brighter. Here all that makes such a machine is drawn at random,
from bridged-T oscillators (kick, toms, snare, side stick; Werner, Abel & Smith, "A
physically-informed, circuit-bendable, digital model of the Roland TR-808 bass drum circuit",
2014) and six square waves or noise (hats, cymbals; the same, "The TR-808 cymbal", 2014).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..frames import SAMPLE_RATE
from ..synth import decaying_mode, fade_out, noise_band, square_metal, time_axis
from .random_kits import BALANCE, LAYERS, burst, draw

Stroke = Callable[[np.random.Generator], np.ndarray]


def _bend(rng: np.random.Generator) -> tuple[float, float]:
    """How much higher a circuit starts, and for how many seconds."""
    wide = rng.random() < 0.4
    return (rng.uniform(0.3, 3.0) if wide else rng.uniform(0.0, 0.3)), draw(rng, 0.01, 0.1)


def _kick(rng: np.random.Generator) -> Stroke:
    pitch, decay = draw(rng, 36, 75), draw(rng, 0.05, 0.8)
    bend, bend_time = _bend(rng)
    click = draw(rng, 0.03, 0.5) if rng.random() < 0.5 else 0.0
    drive = rng.uniform(1, 4) if rng.random() < 0.3 else 0.0

    def stroke(take):
        t = time_axis(min(2.0, 0.1 + 4 * decay))
        x = (decaying_mode(t, pitch, decay, bend, bend_time)
             + click * burst(take, t, 1000, 6000, 0.002))
        return np.tanh(drive * x) if drive else x
    return stroke


def _toms(rng: np.random.Generator) -> dict[str, Stroke]:
    floor = draw(rng, 65, 135)
    mid = floor * rng.uniform(1.2, 1.7)
    pitches = {"tom_high": mid * rng.uniform(1.2, 1.7), "tom_mid": mid, "tom_floor": floor}
    long, (bend, bend_time) = draw(rng, 0.06, 0.45), _bend(rng)
    noise = rng.uniform(0.02, 0.4) if rng.random() < 0.5 else 0.0
    top, fade = draw(rng, 800, 9000), rng.uniform(0.2, 1.0)

    def tom(pitch):
        decay = long * (floor / pitch) ** 0.4

        def stroke(take):
            t = time_axis(min(2.0, 0.1 + 5 * decay))
            return (decaying_mode(t, pitch, decay, bend, bend_time)
                    + noise * burst(take, t, 100, top, fade * decay))
        return stroke
    return {name: tom(pitch) for name, pitch in pitches.items()}


def _snare(rng: np.random.Generator) -> Stroke:
    low, ratio = draw(rng, 130, 300), rng.uniform(1.4, 2.3)
    decay, (bend, bend_time) = draw(rng, 0.02, 0.12), _bend(rng)
    snappy, fade = draw(rng, 0.2, 3.0), draw(rng, 0.03, 0.25)
    bottom, top = draw(rng, 400, 3000), draw(rng, 6000, 18000)

    def stroke(take):
        t = time_axis(min(1.5, 0.1 + 5 * max(decay, fade)))
        return (decaying_mode(t, low, decay, bend, bend_time)
                + 0.6 * decaying_mode(t, low * ratio, 0.7 * decay)
                + 0.4 * snappy * burst(take, t, bottom, top, fade))
    return stroke


def _side_stick(rng: np.random.Generator) -> Stroke:
    low, ratio = draw(rng, 350, 1200), rng.uniform(1.8, 4.0)
    decay, drive = draw(rng, 0.004, 0.02), rng.uniform(0.5, 5.0)

    def stroke(take):
        t = time_axis(0.2)
        return np.tanh(drive * (decaying_mode(t, low, decay)
                                + 0.8 * decaying_mode(t, low * ratio, 0.7 * decay)))
    return stroke


def _metal(rng: np.random.Generator) -> dict[str, Stroke]:
    """Hats and cymbals: one source, filtered and shortened in several ways."""
    from scipy.signal import butter, sosfilt
    base, hiss = draw(rng, 180, 900), rng.choice([0.0, rng.uniform(0.1, 1.0), 20.0])
    order = int(rng.integers(1, 4))
    low, high = draw(rng, 3000, 9000), draw(rng, 11000, 20000)
    closed, opened = draw(rng, 0.01, 0.08), draw(rng, 0.12, 0.9)

    def plate(decay, low, body=0.0, slow=1.0, swell=0.0):
        """Above `low` Hz it decays in `decay` seconds, the `body` below `slow` times as fast."""
        shapes = [butter(order, (edge, upper), "bandpass", fs=SAMPLE_RATE, output="sos")
                  for edge, upper in ((low, high), (0.35 * low, low))]

        def stroke(take):
            t = time_axis(min(3.0, 0.1 + 5 * decay * max(1.0, 1 / slow)))
            source = square_metal(take, t, 1.0, base) + hiss * 0.4 * noise_band(take, t, 200, high)
            x = sosfilt(shapes[0], source) * np.exp(-t / decay)
            if body:
                x += body * sosfilt(shapes[1], source) * np.exp(-t * slow / decay)
            return x * (1 - np.exp(-t / swell)) if swell else x
        return stroke

    long = draw(rng, 0.3, 1.4)
    body, slow = rng.uniform(0.2, 1.5), rng.uniform(0.7, 3.0)
    ride_low, ride = low * rng.uniform(0.5, 1.1), draw(rng, 0.15, 0.9)
    bell = (draw(rng, 500, 1000), rng.uniform(1.3, 1.7), draw(rng, 0.03, 0.3))
    crash_low = low * rng.uniform(0.3, 0.9)
    swell = draw(rng, 0.001, 0.008) if rng.random() < 0.3 else 0.0

    def ride_bell(take):
        t = time_axis(1.0)
        pitch, ratio, decay = bell
        x = sum(np.sign(np.sin(2 * np.pi * f * t)) for f in (pitch, pitch * ratio))
        shape = butter(1, (pitch, 4 * pitch), "bandpass", fs=SAMPLE_RATE, output="sos")
        return sosfilt(shape, x) * (np.exp(-t / decay) + 0.6 * np.exp(-t / 0.01))
    return {"hihat_closed": plate(closed, low), "hihat_open": plate(opened, low),
            "hihat_pedal": plate(closed * rng.uniform(0.6, 1.6), low),
            "ride": plate(ride, ride_low, 0.5 * body, slow), "ride_bell": ride_bell,
            "crash": plate(long, crash_low, body, slow, swell),
            "splash": plate(0.3 * long, crash_low, body, slow)}


def random_machine(seed: int) -> dict[str, list[list[np.ndarray]]]:
    """Strokes of a drum machine.

    Parameters
    ----------
    seed : int
        The same gives the same machine.

    Returns
    -------
    dict of str to list
        As `adt.data.random_kits.random_kit`; all layers sound alike but for their level.
    """
    rng = np.random.default_rng([seed, 10])
    sounds = {"kick": _kick(rng), "snare": _snare(rng), "side_stick": _side_stick(rng),
              **_toms(rng), **_metal(rng)}
    kit = {}
    for index, (name, stroke) in enumerate(sounds.items()):
        own = np.random.default_rng([seed, 11, index])
        level = min(0.99, BALANCE[name][0] * 10 ** (own.normal(0, 2.0) / 20))
        power = own.uniform(1.5, 2.2)
        x = stroke(own)
        x *= fade_out(len(x))
        x *= level / np.abs(x).max()
        kit[name] = [[(x * (high / 127) ** power).astype(np.float32)] for high in LAYERS]
    return kit

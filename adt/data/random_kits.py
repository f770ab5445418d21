"""Kits that nobody built: drums whose making is drawn at random, for training.

Sampled kits that may be used are few, and detectors learn their sounds by heart. Here every kit
has shells, heads, wires and bronze of its own: how low, how long, how dull, how noisy. Each
stroke is a few decaying sines, partials and bands of noise, as in `adt.synth`; some hats have the
square waves of drum machines (whole machines: `adt.data.random_machines`). That labels are right
whatever a drum sounds like is what makes so wide a range useful (Tobin et al., "Domain
randomization", 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..frames import SAMPLE_RATE
from ..synth import (
    MEMBRANE,
    decaying_mode,
    draw,
    finished,
    noise_band,
    partials,
    square_metal,
    time_axis,
    write_strokes,
)

#: What `adt.data.kits.Kit.kind` says of them.
SYNTHETIC = "synthetic"

#: Upper velocity of each layer, softest first.
LAYERS = (28, 60, 95, 127)

_MEMBRANE = MEMBRANE[:7]
_LOW = ("kick", "tom_high", "tom_mid", "tom_floor")

Stroke = Callable[[np.random.Generator, float], np.ndarray]  #: of take's generator and force 0..1


def burst(rng, t, low, high, decay):
    """Noise between two frequencies in Hz that dies away in `decay` seconds."""
    return noise_band(rng, t, low, high) * np.exp(-t / decay)


def _peaks(rng: np.random.Generator, low: float, high: float, most: int) -> list[tuple]:
    """Resonances: frequency in Hz, width in octaves, gain."""
    return [(draw(rng, low, high), rng.uniform(0.1, 0.6), rng.uniform(0.5, 3.0))
            for _ in range(rng.integers(most + 1))]


def _ringing(x: np.ndarray, peaks: list[tuple]) -> np.ndarray:
    """A sound with resonances."""
    from scipy.signal import butter, sosfilt
    result = x.copy()
    for centre, octaves, gain in peaks:
        band = centre * 2 ** (-octaves / 2), min(centre * 2 ** (octaves / 2), 0.49 * SAMPLE_RATE)
        result += gain * sosfilt(butter(1, band, "bandpass", fs=SAMPLE_RATE, output="sos"), x)
    return result


def _rung(x: np.ndarray, t: np.ndarray, modes: list[tuple]) -> np.ndarray:
    """A sound with decaying sines added in place: frequency in Hz, level, decay in seconds."""
    for pitch, level, decay in modes:
        x += level * decaying_mode(t, pitch, decay)
    return x


def _kick(rng: np.random.Generator) -> Stroke:
    pitch, decay = draw(rng, 38, 90), draw(rng, 0.05, 0.45)
    bend, bend_time = rng.uniform(0, 3.5), draw(rng, 0.008, 0.06)
    second, ring = rng.uniform(1.4, 2.6), rng.uniform(0, 0.5)
    low = draw(rng, 700, 5000)
    click, click_decay = draw(rng, 0.02, 0.6), draw(rng, 0.001, 0.008)
    skin, skin_decay = rng.uniform(0, 0.2), draw(rng, 0.01, 0.08)
    drive = rng.uniform(1, 4) if rng.random() < 0.3 else 0.0

    def stroke(take, force):
        t = time_axis(min(1.2, 0.1 + 5 * decay))
        x = (decaying_mode(t, pitch, decay, bend, bend_time)
             + ring * decaying_mode(t, pitch * second, decay * 0.4)
             + skin * burst(take, t, 120, 2500, skin_decay)
             + click * force * burst(take, t, low, 3 * low, click_decay))
        return np.tanh(drive * x) if drive else x
    return stroke


def _snare(rng: np.random.Generator) -> Stroke:
    pitch, second = draw(rng, 130, 320), rng.uniform(1.4, 2.1)
    decay, bend = draw(rng, 0.015, 0.1), rng.uniform(0, 0.6)
    ring = [(r, rng.uniform(0, 0.25), draw(rng, 0.015, 0.12))
            for r in _MEMBRANE if rng.random() < 0.4]
    low, high = draw(rng, 500, 4500), draw(rng, 6000, 18000)
    wires, wires_decay = draw(rng, 0.7, 5.0), draw(rng, 0.03, 0.22)
    tail, tail_decay = rng.uniform(0, 0.2), draw(rng, 0.1, 0.5)
    softer = rng.uniform(-0.4, 0.6)  # share of the wires by force
    stick, peaks = rng.uniform(0, 0.8), _peaks(rng, 400, 8000, 3)

    def stroke(take, force):
        t = time_axis(min(1.2, 0.15 + 5 * max(wires_decay, decay, tail_decay * bool(tail))))
        shell = (decaying_mode(t, pitch, decay, bend, 0.012)
                 + 0.6 * decaying_mode(t, pitch * second, 0.7 * decay))
        for ratio, level, long in ring:
            shell += level * decaying_mode(t, pitch * ratio, long)
        noise = noise_band(take, t, low, high)
        noise *= np.exp(-t / wires_decay) + tail * np.exp(-t / tail_decay)
        noise += stick * force * burst(take, t, 1500, 12000, 0.004)
        return shell + 0.4 * wires * force ** softer * _ringing(noise, peaks)
    return stroke


def _side_stick(rng: np.random.Generator) -> Stroke:
    modes = [(draw(rng, 400, 3000), rng.uniform(0.3, 1.0), draw(rng, 0.004, 0.025))
             for _ in range(rng.integers(2, 5))]
    click, low = rng.uniform(0.05, 0.6), draw(rng, 1000, 4000)

    def stroke(take, force):
        t = time_axis(0.25)
        x = click * force * burst(take, t, low, 3 * low, 0.004)
        return _rung(x, t, modes)
    return stroke


def _toms(rng: np.random.Generator) -> dict[str, Stroke]:
    """Three toms of one make."""
    high = draw(rng, 115, 270)
    mid = high / rng.uniform(1.15, 1.5)
    pitches = {"tom_high": high, "tom_mid": mid, "tom_floor": mid / rng.uniform(1.2, 1.75)}
    long, bend, bend_time = draw(rng, 0.08, 0.5), rng.uniform(0, 0.6), draw(rng, 0.015, 0.08)
    inner = rng.uniform(0.0, 0.8)  # of each mode against the one below
    steep = rng.uniform(0.8, 2.0)
    skin, skin_decay = rng.uniform(0, 0.6), rng.uniform(0.1, 0.5)
    stick, stick_decay = rng.uniform(0, 0.5), draw(rng, 0.003, 0.015)
    top = draw(rng, 1500, 9000)

    def tom(pitch):
        decay = long * (high / pitch) ** 0.5

        def stroke(take, force):
            t = time_axis(min(1.5, 0.1 + 5 * decay))
            x = decaying_mode(t, pitch, decay, bend, bend_time)
            for k, ratio in enumerate(_MEMBRANE, 1):
                x += inner ** k * decaying_mode(t, ratio * pitch, decay / ratio ** steep, bend,
                                                bend_time)
            return (x + skin * burst(take, t, 2 * pitch, top, skin_decay * decay)
                    + stick * force * burst(take, t, 1500, 10000, stick_decay))
        return stroke
    return {name: tom(pitch) for name, pitch in pitches.items()}


def _foot(rng: np.random.Generator) -> Stroke:
    """What is heard below a pair of hats that the foot shuts: a short thump of stand and cups."""
    modes = [(draw(rng, 130, 700), rng.uniform(0.2, 1.0), draw(rng, 0.008, 0.05))
             for _ in range(rng.integers(2, 6))]
    noise, fade = rng.uniform(0, 0.6), draw(rng, 0.005, 0.03)

    def stroke(take, force):
        t = time_axis(0.3)
        x = noise * burst(take, t, 130, 900, fade)
        x = _rung(x, t, modes)
        return x / np.sqrt((x ** 2).sum())
    return stroke


def _hats(rng: np.random.Generator) -> dict[str, Stroke]:
    """One pair of hats: closed, open, and shut with the foot."""
    from scipy.signal import butter, sosfilt
    low, high = draw(rng, 1500, 8000), draw(rng, 10000, 19000)
    order = int(rng.integers(1, 5))
    metal, base = (rng.uniform(0.5, 2.0) if rng.random() < 0.35 else 0.0), draw(rng, 300, 800)
    hiss, sheen = rng.uniform(0.1, 1.0), rng.uniform(0, 1.0)
    edge, slope = rng.uniform(0, 0.3), rng.uniform(-1, 3)
    blow, stick = rng.uniform(0, 1.0), rng.uniform(0, 0.4)
    peaks, bronze = _peaks(rng, 2500, 13000, 4), int(rng.integers(1 << 30))
    closed, opened = draw(rng, 0.012, 0.09), draw(rng, 0.12, 0.9)
    pedal, pedal_low = closed * rng.uniform(0.5, 1.6), rng.uniform(0.4, 1.0)

    own = np.random.default_rng([bronze, 2])
    foot, thump = _foot(own), 10 ** (own.uniform(-18, -4) / 20)  # against the rest

    def hat(decay, low, thump=0.0):
        shape = butter(order, low, "highpass", fs=SAMPLE_RATE, output="sos")

        def stroke(take, force):
            t = time_axis(min(2.0, 0.1 + 6 * decay))
            x = hiss * noise_band(take, t, low, high)
            if metal:
                x += metal * sosfilt(shape, square_metal(take, t, 1.0, base))
            if sheen:
                x += sheen * sosfilt(shape, partials(t, 1.0, low, high, 60, 20.0, slope, bronze))
            x *= np.exp(-t / decay) + blow * force * np.exp(-t / 0.008)
            x += edge * partials(t, 1.0, 350.0, low, 30, 1.3 * decay, 1.0, bronze + 1)
            x = _ringing(x + stick * force * burst(take, t, min(700.0, 0.9 * low), low, 0.006),
                         peaks)
            if thump:
                below = foot(take, force)[:len(x)]
                x[:len(below)] += thump * np.sqrt((x ** 2).sum()) * below
            return x
        return stroke
    return {"hihat_closed": hat(closed, low), "hihat_open": hat(opened, low),
            "hihat_pedal": hat(pedal, low * pedal_low, thump)}


def _ride(rng: np.random.Generator) -> dict[str, Stroke]:
    """A ride: on the bow and on its bell."""
    low, slope = draw(rng, 250, 900), rng.uniform(-1.5, 2.0)
    count, decay = int(rng.integers(50, 160)), draw(rng, 0.5, 2.5)
    wash, wash_low, wash_decay = draw(rng, 0.05, 0.6), draw(rng, 2000, 6000), draw(rng, 0.2, 1.2)
    ping, stick, stick_decay = rng.uniform(0, 2.5), draw(rng, 1.0, 8.0), draw(rng, 0.003, 0.02)
    modes = [(draw(rng, 1500, 9000), rng.uniform(0.1, 1.0), draw(rng, 0.02, 0.25))
             for _ in range(rng.integers(0, 6))]
    bell_low, bell_count = draw(rng, 400, 1000), int(rng.integers(10, 50))
    bell_decay, peaks, bronze = (draw(rng, 0.4, 1.6), _peaks(rng, 1500, 10000, 3),
                                 int(rng.integers(1 << 30)))

    def bow(take, force):
        t = time_axis(2.4)
        body = partials(t, 1.0, low, 15000.0, count, decay, slope, bronze)
        x = body * (1 + ping * np.exp(-t / 0.05)) + wash * burst(take, t, wash_low, 16000,
                                                                 wash_decay)
        x = _rung(x, t, modes)
        return _ringing(x + stick * force * burst(take, t, 2000, 16000, stick_decay), peaks)

    def bell(take, force):
        t = time_axis(2.0)
        body = partials(t, 1.0, bell_low, 9000.0, bell_count, bell_decay, -2.0, bronze + 1)
        return body + 0.2 * stick * force * burst(take, t, 2000, 14000, stick_decay)
    return {"ride": bow, "ride_bell": bell}


def _crash(rng: np.random.Generator, longest: float) -> Stroke:
    swell, noise = draw(rng, 0.001, 0.02), rng.uniform(0.1, 1.0)
    low, high, fade = draw(rng, 1200, 5000), draw(rng, 9000, 18000), draw(rng, 0.25, 0.9) * longest
    body, body_low, slope = rng.uniform(0.3, 1.5), draw(rng, 200, 900), rng.uniform(-1, 2)
    decay, burst = draw(rng, 0.3, 1.5) * longest, rng.uniform(0, 1.0)
    peaks, bronze = _peaks(rng, 800, 10000, 3), int(rng.integers(1 << 30))

    def stroke(take, force):
        t = time_axis(0.5 + 2.5 * longest)
        wash = noise_band(take, t, low, high)
        x = noise * wash * np.exp(-t / fade)
        x += body * partials(t, 1.0, body_low, 10000.0, 90, decay, slope, bronze)
        x *= 1 - np.exp(-t / swell)
        return _ringing(x + burst * force * wash * np.exp(-t / 0.05), peaks)
    return stroke


#: Articulation → peak level at full velocity, pan -1..1.
BALANCE = {"kick": (0.80, 0.0), "snare": (0.65, 0.05), "side_stick": (0.40, 0.05),
            "tom_high": (0.55, -0.35), "tom_mid": (0.55, 0.1), "tom_floor": (0.60, 0.45),
            "hihat_closed": (0.24, 0.3), "hihat_open": (0.28, 0.3), "hihat_pedal": (0.15, 0.3),
            "ride": (0.34, -0.4), "ride_bell": (0.32, -0.4), "crash": (0.42, -0.25),
            "splash": (0.34, -0.2)}


def random_kit(seed: int) -> dict[str, list[list[np.ndarray]]]:
    """Strokes of a kit.

    Parameters
    ----------
    seed : int
        The same gives the same drums.

    Returns
    -------
    dict of str to list
        Articulation → one list for each of `LAYERS` with a single take, float32 (samples,) at
        `SAMPLE_RATE`; amplitude grows about with velocity's square, brightness with it.
    """
    rng = np.random.default_rng([seed, 0])
    drums = {"kick": _kick(rng), "snare": _snare(rng), "side_stick": _side_stick(rng),
             **_toms(rng), **_hats(rng), **_ride(rng), "crash": _crash(rng, 1.0),
             "splash": _crash(rng, 0.3)}
    kit = {}
    for index, (name, stroke) in enumerate(drums.items()):
        own = np.random.default_rng([seed, 1, index])
        level = BALANCE[name][0] * 10 ** (own.normal(0, 2.0) / 20)
        power, dulls = own.uniform(1.5, 2.2), own.uniform(0.4, 1.8) * (2 if name in _LOW else 1)
        top = draw(own, 6000, 20000)
        kit[name] = []
        for high in LAYERS:
            force = high / 127
            x = stroke(np.random.default_rng([seed, 2, index, high]), force)
            x = finished(x, top * force ** dulls, min(0.99, level) * force ** power)
            kit[name].append([x.astype(np.float32)])
    return kit


def render_kits(folder: Path | str, count: int, seed: int = 0,
                progress: bool = False, machines: bool = False) -> list[Path]:
    """Write random kits, a folder each, as `adt.data.kits.read_kits` reads them.

    Parameters
    ----------
    folder : path
    count : int
    seed : int
        Of the first kit; each of the others has the next.
    progress : bool
        Show a bar.
    machines : bool
        Drum machines (`adt.data.random_machines`) in place of drums.

    Returns
    -------
    list of Path
        The kits' folders.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    from tqdm import tqdm

    from .random_machines import random_machine
    make, kind = (random_machine, "machine") if machines else (random_kit, "random")
    return [write_strokes(Path(folder) / f"{kind}-{number:03d}", f"{kind}-{number:03d}",
                          SYNTHETIC, make(number), LAYERS,
                          {name: pan for name, (_, pan) in BALANCE.items()}, make.__module__)
            for number in tqdm(range(seed, seed + count), desc="kits", unit="kit",
                               disable=None if progress else True)]

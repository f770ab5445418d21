"""Samples that repeat: what is taken out of mixtures with known samples."""

import numpy as np
import pytest

from adt.features import spectrum
from adt.frames import HOP, N_FFT, SAMPLE_RATE
from adt.transcription import Hit
from adt.vocabulary import STEMS
from separation import Separator, repeats, separator
from separation.informed import N_GROUPS, Strokes, group_power
from separation.repeats import take_samples

FRAMES = 1100
LENGTH = N_FFT + HOP * (FRAMES - 1)
SNARE, HIHAT = STEMS.index("snare"), STEMS.index("hihat")


def sound(seed, seconds, decay, softer=1.0):
    """Noise that dies away, of two channels that differ, its spectrum falling."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    noise = rng.standard_normal((2, len(t)))
    noise = (noise + noise[::-1]) / 2 + 0.3 * noise
    for _ in range(2):
        noise[:, 1:] += softer * noise[:, :-1]
    return (0.1 * noise * np.exp(-t / decay)).astype(np.float32)


def later(samples, shift):
    """Audio delayed by a part of a sample."""
    n = 2 * samples.shape[1]
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(n) * shift)
    return np.fft.irfft(np.fft.rfft(samples, n, axis=1) * turn, n, axis=1).astype(np.float32)


def song(seed=0, shift=0.0, differ=False):
    """Two stems whose strokes overlap, the strokes, and masks that are blurred.

    With `differ` no stroke is like another.
    """
    rng = np.random.default_rng(seed)
    stems = {name: np.zeros((2, LENGTH), np.float32) for name in ("snare", "hihat")}
    hits = []
    for name, every, seconds, decay, softer in (("snare", 55, 0.3, 0.06, 0.7),
                                                ("hihat", 22, 0.2, 0.04, -0.7)):
        piece = "snare" if name == "snare" else "hihat_closed"
        for k, frame in enumerate(range(30, FRAMES - 60, every)):
            at = N_FFT // 2 + frame * HOP + int(rng.integers(-100, 101))
            gain = rng.uniform(0.3, 1.0)
            wave = sound(10 * len(name) + (k if differ else 0), seconds, decay, softer)
            if shift:
                wave = later(wave, shift * (k % 4))
            stems[name][:, at: at + wave.shape[1]] += np.float32(gain) * wave
            hits.append(Hit(frame * HOP / SAMPLE_RATE, piece, int(127 * gain)))
    mixture = sum(stems.values())
    power = {name: group_power(spectrum(stem)) for name, stem in stems.items()}
    total = group_power(spectrum(mixture)) + 1e-9
    shares = np.zeros((len(STEMS) + 1, FRAMES, N_GROUPS), np.float32)
    both = sum(power.values()) + 1e-9
    for name, stem in (("snare", SNARE), ("hihat", HIHAT)):
        shares[stem] = 0.8 * power[name] / both + 0.1
    shares[-1] = 1 - shares.sum(axis=0)
    return mixture, stems, shares, total, Strokes.of(hits)


def nsdr(found, true, mixture):
    error = ((mixture - true) ** 2).sum() / ((found - true) ** 2).sum()
    return float(10 * np.log10(error))


def masked(mixture, shares):
    """Stems by masks with the mixture's phase."""
    ones = np.ones((1, FRAMES, N_GROUPS), np.float32)
    one, *stems = separator.overlap_add(np.concatenate([ones, shares[[SNARE, HIHAT]]]), mixture)
    norm = one / np.where(np.abs(mixture) > 1e-9, mixture, 1)
    return {s: stem / np.where(np.abs(norm) > 0.1, norm, 1)
            for s, stem in zip((SNARE, HIHAT), stems)}


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_samples_are_taken_with_their_own_phase(shift):
    mixture, stems, shares, power, strokes = song(shift=shift)
    taken, left = take_samples(mixture, shares, power, strokes)
    by_masks = masked(mixture, shares)
    for name, stem in (("snare", SNARE), ("hihat", HIHAT)):
        there = nsdr(taken[stem], stems[name], mixture)
        assert there > nsdr(by_masks[stem], stems[name], mixture) + 6
        assert there > 18
    assert (left ** 2).sum() < 0.03 * (mixture ** 2).sum()


def test_what_is_taken_and_what_is_left_are_the_signal():
    mixture, _, shares, power, strokes = song()
    before = mixture.copy()
    taken, left = take_samples(mixture, shares, power, strokes)
    np.testing.assert_array_equal(mixture, before)
    np.testing.assert_allclose(left + sum(taken.values()), mixture, atol=1e-6)
    assert all(part.dtype == np.float32 and part.shape == mixture.shape
               for part in (left, *taken.values()))


def test_strokes_that_differ_stay_the_masks():
    mixture, _, shares, power, strokes = song(differ=True)
    taken, left = take_samples(mixture, shares, power, strokes)
    assert not taken
    np.testing.assert_array_equal(left, mixture)


def test_sounds_that_the_masks_give_to_others_are_not_taken():
    """Hits of a stem that the masks hear nothing of are mistakes."""
    mixture, _, shares, power, strokes = song()
    wrong = Strokes(strokes.frames, np.where(strokes.pieces == "snare", "crash", strokes.pieces),
                    strokes.velocities, strokes.confidence)
    taken, _ = take_samples(mixture, shares, power, wrong)
    assert set(taken) == {HIHAT}


@pytest.mark.parametrize("factor", [1e-7, 100, 1e11])
def test_the_level_does_not_matter(factor):
    mixture, _, shares, power, strokes = song()
    taken, _ = take_samples(mixture, shares, power, strokes)
    factor = np.float32(factor)
    other, _ = take_samples(factor * mixture, shares, factor * factor * power, strokes)
    for stem in taken:
        error = ((other[stem] / factor - taken[stem]) ** 2).sum()
        assert error < 1e-6 * (taken[stem] ** 2).sum()


def test_channels_of_opposite_phase():
    mixture, _, shares, power, strokes = song()
    mixture[1] = -mixture[0]
    taken, left = take_samples(mixture, shares, power, strokes)
    assert set(taken) == {SNARE, HIHAT} and (left ** 2).sum() < 0.03 * (mixture ** 2).sum()


def alone(same, others, level):
    """Strokes of a snare, each of `same` and `level` times another of `others`, and its masks."""
    signal, frames = np.zeros((1, LENGTH), np.float32), 30 + 50 * np.arange(len(others))
    shared = np.zeros_like(signal)
    for frame, other in zip(frames, others):
        at = N_FFT // 2 + frame * HOP
        shared[:, at: at + same.shape[1]] += same
        signal[:, at: at + other.shape[1]] += np.float32(level) * other
    signal += shared
    shares = np.full((6, FRAMES, N_GROUPS), 0.02, np.float32)
    shares[SNARE] = 0.9
    strokes = Strokes(frames, np.array(["snare"] * len(frames), object),
                      np.full(len(frames), 0.5, np.float32), np.ones(len(frames), np.float32))
    return signal, shared, take_samples(signal, shares, group_power(spectrum(signal)), strokes)


def test_strokes_must_have_most_bins_in_common():
    """Drums that are tuned alike are no sample."""
    t = np.arange(round(0.3 * SAMPLE_RATE)) / SAMPLE_RATE
    tone = (0.5 * np.sin(2 * np.pi * 180 * t) * np.exp(-t / 0.08))[None].astype(np.float32)
    others = [sound(seed, 0.3, 0.06, 0.0)[:1] for seed in range(20)]
    signal, _, (taken, left) = alone(tone, others, 0.3)
    assert not taken
    np.testing.assert_array_equal(left, signal)


@pytest.mark.parametrize("n", [2, 3, 20])
def test_the_same_twice_and_never(n):
    same = sound(0, 0.3, 0.06)[:1]
    others = [sound(seed, 0.3, 0.06)[:1] for seed in range(1, n + 1)]
    *_, (taken, left) = alone(same, others, 0.0)
    assert set(taken) == {SNARE} and (left ** 2).sum() < 1e-3 * (taken[SNARE] ** 2).sum()
    *_, (taken, _) = alone(0 * same, others, 1.0)
    assert not taken
    t = np.arange(same.shape[1]) / SAMPLE_RATE  # kicks of one pitch begin alike
    tone = (2 * np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.1))[None].astype(np.float32)
    *_, (taken, _) = alone(tone, others, 1.0)
    assert not taken


def test_what_each_stroke_has_of_its_own_is_left():
    others = [sound(seed, 0.3, 0.06)[:1] for seed in range(1, 21)]
    for n, most in ((20, 0.1), (3, 0.4)):  # the mean of three has a third of what they have not
        signal, shared, (taken, left) = alone(sound(0, 0.3, 0.06)[:1], others[:n], 0.35)
        own = ((signal - shared) ** 2).sum()
        assert ((taken[SNARE] - shared) ** 2).sum() < most * own
        assert ((left - signal + shared) ** 2).sum() < most * own


def test_bins_that_strokes_do_not_have_in_common_are_left():
    """Above 15 kHz each of four strokes is another: their mean would keep a quarter of it."""
    others = []
    for seed in range(1, 5):
        spectrum_ = np.fft.rfft(sound(seed, 0.3, 0.06, 0.0)[:1])
        spectrum_[:, : int(0.7 * spectrum_.shape[1])] = 0
        others.append(np.fft.irfft(spectrum_).astype(np.float32))
    signal, shared, (taken, _) = alone(sound(0, 0.3, 0.06, 0.3)[:1], others, 2.0)
    assert ((taken[SNARE] - shared) ** 2).sum() < 0.15 * ((signal - shared) ** 2).sum()


def test_what_few_strokes_heard_is_not_theirs():
    """Where strokes are cut off by the next, what rings after the last one is no sample's."""
    rng = np.random.default_rng(0)
    signal = (0.02 * rng.standard_normal((1, LENGTH))).astype(np.float32)
    wave = sound(1, 0.09, 0.03)[:1]
    frames = np.array([300, 310, 320, 330])
    for frame in frames:
        at = N_FFT // 2 + frame * HOP
        signal[:, at: at + wave.shape[1]] += wave
    shares = np.full((6, FRAMES, N_GROUPS), 0.02, np.float32)
    shares[STEMS.index("toms")] = 0.2
    shares[STEMS.index("toms"), 299:340] = 0.9
    strokes = Strokes(frames, np.array(["tom_mid"] * 4, object), np.full(4, 0.5, np.float32),
                      np.ones(4, np.float32))
    taken, _ = take_samples(signal, shares, group_power(spectrum(signal)), strokes)
    tail = taken[STEMS.index("toms")][:, N_FFT // 2 + 345 * HOP:]
    assert (tail ** 2).sum() < 0.01 * (signal[:, -tail.shape[1]:] ** 2).sum()


def test_a_stroke_that_is_not_there():
    """Its silence is not the clearest view of the sample."""
    mixture, stems, shares, power, strokes = song()
    cut = N_FFT // 2 + strokes.frames[-1] * HOP - 300
    mixture[:, cut:] = 0
    taken, _ = take_samples(mixture, shares, group_power(spectrum(mixture)) + 1e-9, strokes)
    found = taken[HIHAT][:, :cut - 9000]
    assert nsdr(found, stems["hihat"][:, :cut - 9000], mixture[:, :cut - 9000]) > 15


@pytest.mark.parametrize("hits", [0, 1])
def test_few_strokes_make_no_sample(hits):
    mixture, _, shares, power, strokes = song()
    few = Strokes(strokes.frames[:hits], strokes.pieces[:hits], strokes.velocities[:hits],
                  strokes.confidence[:hits])
    taken, left = take_samples(mixture, shares, power, few)
    assert not taken
    np.testing.assert_array_equal(left, mixture)


def test_silence():
    _, _, shares, power, strokes = song()
    silent = np.zeros((2, LENGTH), np.float32)
    taken, left = take_samples(silent, shares, 0 * power, strokes)
    assert not taken and not left.any()


def test_strokes_at_the_edges():
    mixture, _, shares, power, strokes = song()
    edges = np.array([0, 1, 4, FRAMES - 1, FRAMES - 5])
    more = Strokes(np.concatenate([edges[:3], strokes.frames, edges[3:]]),
                   np.array(["snare"] * 3 + strokes.pieces.tolist() + ["snare"] * 2, object),
                   *np.full((2, len(strokes) + 5), 0.5, np.float32))
    taken, left = take_samples(mixture, shares, power, more)
    assert set(taken) == {SNARE, HIHAT} and np.isfinite(left).all()


def test_crowded_hits_are_bounded_work(monkeypatch):
    mixture, _, shares, power, _ = song()
    frames = np.sort(np.random.default_rng(0).integers(0, FRAMES, 5000))
    crowd = Strokes(frames, np.array(["snare"] * 5000, object), np.full(5000, 0.5, np.float32),
                    np.ones(5000, np.float32))
    seen = []
    alike = repeats._alike
    monkeypatch.setattr(repeats, "_alike", lambda cut: seen.append(len(cut)) or alike(cut))
    _, left = take_samples(mixture, shares, power, crowd)
    assert seen and max(seen) <= FRAMES // 3 + 1 and np.isfinite(left).all()


def test_samples_in_the_stems(small_bank, monkeypatch):
    """In one pass and in several; stems and residual are the input."""
    mixture, stems, shares, _, strokes = song()
    audio = mixture[:, N_FFT // 2:][:, : 10 * SAMPLE_RATE]
    true = stems["hihat"][:, N_FFT // 2:][:, : 10 * SAMPLE_RATE]
    hits = [Hit(f * HOP / SAMPLE_RATE, p, round(127 * v))
            for f, p, v in zip(strokes.frames.tolist(), strokes.pieces, strokes.velocities)]
    small = Separator(small_bank)
    origins = []

    def known(self, decibel, power, strokes):
        return shares[:, (at := origins.pop(0)): at + len(power)].copy()

    monkeypatch.setattr(Separator, "informed_shares", known)
    monkeypatch.setattr(separator, "in_parallel", lambda f, items, *_, **__: map(f, items))

    def separate(told, *at):
        origins[:] = at
        return small(audio, SAMPLE_RATE, hits=told, residual=True)

    plain, found, again = separate([], 0), separate(hits, 0), separate(hits, 0)
    small.samples = False
    for name, stem in separate(hits, 0).items():
        np.testing.assert_array_equal(stem, plain[name])
    small.samples = True
    monkeypatch.setattr(separator, "_INFORMED_PASS", 250)
    parts = separate(hits, 0, 60, 312, 564)
    assert not origins
    by_masks = nsdr(plain["hihat"], true, audio)
    assert nsdr(found["hihat"], true, audio) > by_masks + 6
    assert nsdr(parts["hihat"], true, audio) > by_masks + 4
    for name, stem in found.items():
        np.testing.assert_array_equal(again[name], stem)
    for result in (found, parts):
        np.testing.assert_allclose(sum(result.values()), audio, atol=1e-5)

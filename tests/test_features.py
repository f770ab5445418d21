"""Frames, band filters and the streamed STFT that bank and detectors share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adt import features
from adt.features import DB_RANGE, N_BANDS, N_BINS, N_FFT
from adt.frames import HOP, SAMPLE_RATE, frames_to_time, n_frames, time_to_frames


def noise(n, channels=1, seed=0):
    return np.random.default_rng(seed).standard_normal((channels, n)).astype(np.float32)


def pieces(audio, cuts):
    """The audio as blocks, cut at these samples."""
    n = audio.shape[1]
    edges = [0, *sorted(min(c, n) for c in cuts), n]
    return [audio[:, a:b] for a, b in zip(edges, edges[1:])]


def whole(blocks):
    return np.concatenate([features.spectrum(part) for part in features.windows(blocks)], axis=1)


# -- filter bank ----------------------------------------------------------------------


def test_filters_share_out_every_bin():
    filters = features.band_filters()
    assert filters.shape == (N_BINS, N_BANDS)
    assert filters.min() >= 0
    np.testing.assert_allclose(filters.sum(axis=1), 1.0, atol=1e-6)
    assert ((filters > 0).sum(axis=1) <= 2).all()
    assert (filters.max(axis=0) > 0).all(), "a band without a bin"


def test_centres_rise_over_the_whole_range():
    centres = features.band_centres()
    assert centres.shape == (N_BANDS,)
    assert (np.diff(centres) > 0).all()
    np.testing.assert_allclose(centres[[0, -1]], [features.F_MIN, features.F_MAX])


@pytest.mark.parametrize("hertz", [60.0, 440.0, 3000.0, 12000.0])
def test_a_sine_sounds_in_the_band_around_it(hertz):
    t = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    bands = features.audio_to_bands([np.sin(2 * np.pi * hertz * t)[None].astype(np.float32)])
    loudest = features.band_centres()[bands[50].argmax()]
    assert abs(loudest - hertz) < max(SAMPLE_RATE / N_FFT, 0.06 * hertz)


def test_constants_cannot_be_changed_by_accident():
    for shared in (features.band_filters(), features.window()):
        with pytest.raises(ValueError, match="read-only"):
            shared[0] = 1.0


# -- frames ---------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(0, 7200))
def test_frames_and_times_are_inverse(time):
    assert frames_to_time(time_to_frames(time)) == pytest.approx(time, abs=1e-9)


@pytest.mark.parametrize("k", [0, 1, 7, 40, 99, 100])
def test_frames_are_centred(k):
    """An impulse at sample k * HOP is loudest in frame k: time zero is sample zero."""
    audio = np.zeros((1, 100 * HOP + 1), np.float32)
    audio[0, k * HOP] = 1.0
    assert features.audio_to_bands([audio]).sum(axis=1).argmax() == k
    power = features.band_power(whole([audio])[0]).sum(axis=1)
    assert power.argmax() == k
    for side in range(1, min(3, k + 1, len(power) - k)):  # the same to both sides
        assert power[k - side] < power[k]
        if k + side < len(power):
            assert power[k - side] == pytest.approx(power[k + side], rel=3e-3)


@pytest.mark.parametrize("n", [1, 2, HOP - 1, HOP, HOP + 1, N_FFT - 1, N_FFT, N_FFT + 1,
                               N_FFT // 2, 5 * HOP, 44_100])
def test_every_length_has_its_number_of_frames(n):
    spectra = whole([noise(n, 2)])
    assert spectra.shape == (2, n_frames(n), N_BINS)
    assert n_frames(n) == 1 + n // HOP
    assert np.isfinite(spectra).all() and spectra.dtype == np.complex64


def test_nothing_has_no_frames():
    empty = np.zeros((1, 0), np.float32)
    assert n_frames(0) == 0
    for blocks in ([], [empty], [empty, empty]):
        assert list(features.windows(blocks)) == []
        assert features.audio_to_bands(blocks).shape == (0, N_BANDS)


def test_agrees_with_a_plain_transform():
    audio = noise(9000)
    padded = np.pad(audio[0], (N_FFT // 2, N_FFT))
    for k, frame in enumerate(whole([audio])[0]):
        plain = np.fft.rfft(padded[k * HOP: k * HOP + N_FFT] * features.window())
        np.testing.assert_allclose(frame, plain, atol=2e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 9000), st.lists(st.integers(0, 9000), max_size=6))
def test_cutting_into_blocks_changes_nothing(n, cuts):
    audio = noise(n, 2)
    np.testing.assert_array_equal(whole(pieces(audio, cuts)), whole([audio]))


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 60_000), st.lists(st.integers(0, 60_000), max_size=5))
def test_an_offset_is_taken_away_however_it_is_cut(n, cuts):
    audio = noise(n, 2)
    cut = np.concatenate(list(features.without_offset(pieces(audio, cuts))), axis=1)
    assert cut.dtype == np.float32 and cut.shape == audio.shape
    np.testing.assert_array_equal(cut, np.concatenate(list(features.without_offset([audio])), 1))


def test_bands_of_double_precision_are_single():
    spectra = features.spectrum(noise(4 * N_FFT, 2))
    power = features.band_power(spectra.astype(np.complex128))
    assert power.dtype == np.float32
    np.testing.assert_allclose(power, features.band_power(spectra), rtol=1e-5)


@pytest.mark.parametrize("n", [1, 8192, 8193, 50_000])
def test_the_offset_filter_is_one_pole(n):
    from scipy.signal import lfilter
    audio = np.random.default_rng(0).normal([[0.3], [-0.02]], 0.1, (2, n)).astype(np.float32)
    pole = np.exp(-2 * np.pi * 5 / SAMPLE_RATE)
    mean = audio[:, :SAMPLE_RATE // 2].mean(axis=1, keepdims=True, dtype=np.float64)
    wanted, _ = lfilter([1, -1], [1, -pole], audio, axis=1, zi=-mean)
    np.testing.assert_allclose(
        np.concatenate(list(features.without_offset([audio])), axis=1), wanted, atol=1e-7)


def test_bands_do_not_change_with_an_offset():
    audio = noise(2 * SAMPLE_RATE) * 1e-2
    plain, moved = (features.audio_to_bands([audio + np.float32(o)]) for o in (0, 0.2))
    np.testing.assert_allclose(10 * np.log10(moved[10:] / plain[10:]), 0, atol=0.5)
    assert moved[0].sum() < 2 * plain[0].sum()  # nor does it begin with a click


def test_lead_is_silent_until_windows_reach_the_signal():
    audio = noise(SAMPLE_RATE)
    shifted = np.concatenate([np.zeros((1, 48 * HOP), np.float32), audio], axis=1)
    lead = features.unpack(features.pack(features.audio_to_bands([audio]), 48))
    true = features.audio_to_bands([shifted])
    assert (lead[:46] == 0).all() and len(lead) == len(true)
    level = 10 * np.log10([lead[46:49].sum(axis=1), true[46:49].sum(axis=1)])
    np.testing.assert_allclose(level[0, 1:], level[1, 1:], atol=1.5)
    assert level[0, 0] < level[0, 1] - 20 and level[1, 0] < level[1, 1] - 20


def test_channels_do_not_cancel():
    audio = noise(5000)
    mono = features.audio_to_bands([audio])
    np.testing.assert_allclose(
        features.audio_to_bands([np.concatenate([audio, -audio])]), mono, rtol=1e-5)


# -- level ----------------------------------------------------------------------------


def test_level_follows_gain_and_decibels_do_not():
    quiet, loud = (features.audio_to_bands([gain * noise(SAMPLE_RATE)]) for gain in (0.01, 0.1))
    levels = features.reference_level(quiet), features.reference_level(loud)
    assert levels[1] - levels[0] == pytest.approx(20, abs=0.01)
    np.testing.assert_allclose(features.to_decibel(quiet, levels[0]),
                               features.to_decibel(loud, levels[1]), atol=0.01)


@pytest.mark.parametrize("gain", [0.0, 1e-5], ids=["digital", "noise"])
def test_long_silence_does_not_count(gain):
    """One fill in a track of a minute is as loud as it would be alone."""
    alone = features.audio_to_bands([0.1 * noise(2 * SAMPLE_RATE)])
    padded = np.concatenate([gain * noise(60 * SAMPLE_RATE), 0.1 * noise(2 * SAMPLE_RATE)], axis=1)
    level = features.reference_level(features.audio_to_bands([padded]))
    assert level == pytest.approx(features.reference_level(alone), abs=0.5)


def test_silence_is_not_blown_up():
    nothing = np.zeros((50, N_BANDS), np.float32)
    floor = features.reference_level(nothing)
    assert floor == features.reference_level(nothing[:0])
    assert floor == features.reference_level(nothing + 1e-9)
    assert (features.to_decibel(nothing, floor) == DB_RANGE[0]).all()


def test_decibels_are_clipped():
    bands = np.array([[0.0, 1e-30, 1.0, 1e30]], np.float32)
    decibel = features.to_decibel(bands, 0.0)
    assert decibel.dtype == np.float32
    np.testing.assert_array_equal(decibel, [[DB_RANGE[0], DB_RANGE[0], 0.0, DB_RANGE[1]]])


def test_packed_bands_are_exact_to_a_hundredth_of_a_decibel():
    bands = 10 ** np.random.default_rng(0).uniform(-7, 7, (70, N_BANDS)).astype(np.float32)
    packed = features.pack(bands)
    assert packed.nbytes == bands.nbytes // 2
    np.testing.assert_allclose(10 * np.log10(features.unpack(packed)), 10 * np.log10(bands),
                               atol=0.01)
    assert np.isfinite(features.pack(np.full((3, N_BANDS), 1e12, np.float32))).all()

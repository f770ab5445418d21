"""Instruments drawn at random: what they sound like, what they play, and where that ends up."""

import numpy as np
import pytest

from adt import config
from adt.data.groove import Performance
from adt.data.random_instruments import HIGH, INSTRUMENTS, LOW, random_instrument
from adt.features import N_BANDS, band_centres
from adt.frames import FRAME_RATE, SAMPLE_RATE
from adt.training.lines import instrument_line
from adt.training.material import load_instruments
from adt.training.oneshots import POSITIONS
from adt.vocabulary import ARTICULATION_INDEX, STEM_COLUMNS, STEMS


@pytest.fixture(scope="module")
def drawn():
    """Name → notes of each that was drawn."""
    found = {name: [] for name in INSTRUMENTS}
    for seed in range(60):
        name, bass, notes = random_instrument(seed)
        assert bass == INSTRUMENTS[name][2] and len(notes) == len(LOW if bass else HIGH)
        for note in notes:
            assert note.dtype == np.float32 and np.isfinite(note).all()
            assert 0.6 < np.abs(note).max() <= 1
        found[name].append(notes)
    return found


@pytest.fixture(scope="module")
def instruments():
    found = load_instruments(8)
    assert {bass for bass, _ in found} == {True, False}
    return found


@pytest.fixture(scope="module")
def basses(instruments):
    return [one for one in instruments if one[0]]


def _spectrum(x):
    return np.fft.rfftfreq(len(x), 1 / SAMPLE_RATE), np.abs(np.fft.rfft(x)) ** 2


def test_most_are_upright_basses(drawn):
    count = {name: len(instruments) for name, instruments in drawn.items()}
    assert all(count.values()) and count["upright"] == max(count.values())
    assert 0.3 * 60 < sum(n for name, n in count.items() if INSTRUMENTS[name][2]) < 0.7 * 60


def test_notes_have_the_pitch_asked_for_and_basses_are_low(drawn):
    for name, instruments in drawn.items():
        right, count, bass = 0, 0, INSTRUMENTS[name][2]
        for notes in instruments:
            for pitch, note in zip(LOW if bass else HIGH, notes):
                hertz = 440 * 2 ** ((pitch - 69) / 12)
                frequency, power = _spectrum(note[SAMPLE_RATE // 20:])  # without the thump
                if bass:
                    assert power[frequency < 2500].sum() > 0.8 * power.sum(), name
                partial = frequency[power.argmax()] / hertz
                struck = name in ("bar", "tuned_bar", "kettle")  # whose partials are no harmonics
                right += abs(partial - (1 if struck else max(1, round(partial)))) < 0.06
                count += 1
        assert right > 0.6 * count, name


def test_muted_notes_and_tuned_bars_are_short(drawn):
    def seconds(note):
        energy = np.cumsum(note.astype(float) ** 2)
        return np.searchsorted(energy, 0.9 * energy[-1]) / SAMPLE_RATE

    for instruments in drawn.values():
        for notes in instruments:
            assert all(np.abs(note[:SAMPLE_RATE // 5]).max() > 0.3 for note in notes)
    length = {name: np.median([seconds(n) for notes in instruments for n in notes])
              for name, instruments in drawn.items()}
    assert length["muted"] < 0.3 * length["electric"]
    assert length["tuned_bar"] < 0.5 * length["blown"]


def test_a_seed_is_one_instrument():
    (name, _, notes), (again, _, same) = random_instrument(5), random_instrument(5)
    assert name == again
    for a, b in zip(notes, same):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(random_instrument(6).notes[0], notes[0])


def test_their_notes_are_one_shots(instruments):
    assert load_instruments(0) == []
    for bass, notes in instruments:
        assert len(notes) == len(LOW if bass else HIGH)
        for shots in notes:
            assert len(shots) == POSITIONS
            assert all(s.shape[1] == N_BANDS and s.sum(axis=1).max() == pytest.approx(1)
                       for s in shots)


def _performance(seconds=20.0):
    times = np.arange(0.25, seconds, 0.5)
    played = [ARTICULATION_INDEX[name] for name in ("kick", "snare", "kick", "tom_high")]
    return Performance(times, np.resize(played, len(times)), np.full(len(times), 90))


def test_lines_are_about_as_loud_as_said_and_basses_low(instruments):
    empty = _performance().select(np.zeros(40, bool))
    for n in range(24):
        bass, notes = instruments[n % len(instruments)]
        played = empty if n % 5 == 0 else _performance()
        line = instrument_line(np.random.default_rng(n), notes, 2000, played, 3)
        assert line.shape == (2000, N_BANDS) and line.dtype == np.float32
        assert np.isfinite(line).all() and (line >= 0).all()
        assert 0.02 < line.sum(axis=1).max() < 200
        if bass:
            assert (line * band_centres()).sum() / line.sum() < 1200
        again = instrument_line(np.random.default_rng(n), notes, 2000, played, 3)
        np.testing.assert_array_equal(line, again)


def test_some_lines_go_with_the_kick_and_some_between(basses):
    played = _performance()
    kicks = played.times[::2] * FRAME_RATE
    shares = []
    for n in range(40):
        rng = np.random.default_rng(n)
        line = instrument_line(rng, basses[0][1], 2000, played).sum(axis=1)
        rises = np.maximum(0, np.diff(line))
        near = np.zeros(len(rises), bool)
        for k in kicks:
            near[max(0, round(k) - 8):round(k) + 9] = True
        shares.append(rises[near].sum() / rises.sum())
    assert np.mean(np.array(shares) > 0.75) > 0.15 and np.mean(np.array(shares) < 0.5) > 0.15


def _maker(instruments, folder, **changes):
    from adt.data.kits import read_kit
    from adt.synth import write_kit
    from adt.training.oneshots import OneShots
    from adt.training.spectral import ClipMaker

    settings = config.load_config(config.PROJECT / "bank.yaml", [])["randomise"]
    settings.update(dict(accompaniment=0.0, shaker=0.0, percussion=0.0, rumble=0.0, absent=0.0,
                         silent=0.0, alone=0.0, pattern=0.0, vary=0.0, clip_seconds=4.0,
                         swap=0.0), **changes)
    kit = read_kit(write_kit(folder))
    return ClipMaker([_performance(8.0)], [kit], OneShots([kit]), [], settings,
                     instruments=instruments)


def _clips(instruments, folder, **changes):
    maker = _maker(instruments, folder, **changes)
    return [maker(np.random.default_rng(n)) for n in range(12)]


def test_they_are_in_no_stem(basses, tmp_path):
    low = band_centres() < 300
    loud = _clips(basses, tmp_path, instrument=1.0, bare=0.0, instrument_db=[6, 6])
    none = _clips(basses, tmp_path, instrument=0.0)
    assert np.mean([c.shares[..., low].sum(axis=0).mean() for c in loud]) < 0.8 * np.mean(
        [c.shares[..., low].sum(axis=0).mean() for c in none])
    assert all(c.onset[:, 0].max() > 0.5 for c in loud)  # the kick is still to be found


def test_beside_them_there_may_be_no_kick_or_no_toms(instruments, basses, tmp_path):
    for some, stem in ((basses, "kick"), ([i for i in instruments if not i[0]], "toms")):
        columns = STEM_COLUMNS[STEMS.index(stem)]
        for clip in _clips(some, tmp_path, instrument=1.0, bare=1.0):
            assert clip.onset[:, columns].max() == 0
            assert clip.shares[STEMS.index(stem)].max() == 0
            assert clip.onset.max() > 0.5
        kept = _clips(some, tmp_path, instrument=1.0, bare=0.0)
        assert all(clip.onset[:, columns].max() > 0.5 for clip in kept)


def test_clips_without_them_stay_as_they_were(tmp_path):
    one = _maker([], tmp_path, instrument=1.0)(np.random.default_rng(3))
    other = _maker([], tmp_path, instrument=0.0)(np.random.default_rng(3))
    np.testing.assert_array_equal(one.mixture, other.mixture)

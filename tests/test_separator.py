"""Separation: overlap-add, passes, rates, files. The bank is small and untrained."""

import tracemalloc
import warnings
from functools import partial

import numpy as np
import pytest
import soundfile
import torch

from adt import audio, network
from adt.errors import AudioError, ConfigError, OutputError
from adt.features import N_BANDS, band_filters
from adt.frames import HOP, SAMPLE_RATE
from adt.vocabulary import STEMS
from separation import WIENER, Separator, separator

#: The bank alone; what is informed by hits, see test_informed.py.
separate = partial(separator.separate, informed=False)
separate_file = partial(separator.separate_file, informed=False)

PCM_24 = 2.0 ** -23


@pytest.fixture(scope="module")
def small(small_bank):
    return Separator(small_bank)


@pytest.fixture
def packaged(small_bank, monkeypatch):
    """`separate` and `separate_file` find the small bank under its packaged name."""
    monkeypatch.setattr("adt.weights.FOLDER", small_bank.parent)


def beat(n, channels=2, rate=SAMPLE_RATE, seed=0):
    """Noise bursts, different in every channel, peaks below 1."""
    rng = np.random.default_rng(seed)
    bursts = np.exp(-(np.arange(n) % (rate // 4)) / (0.03 * rate))
    return (0.1 * bursts * rng.standard_normal((channels, n))).astype(np.float32)


def only(stem):
    """Shares that give everything to one stem."""
    def shares(self, decibel):
        result = np.zeros((len(STEMS) + 1, len(decibel), N_BANDS), np.float32)
        result[STEMS.index(stem)] = 1.0
        return result
    return shares


def write(path, audio, rate=SAMPLE_RATE, subtype="PCM_24"):
    soundfile.write(path, audio.T, rate, subtype=subtype)
    return path


def read(path):
    audio, rate = soundfile.read(path, dtype="float32", always_2d=True)
    return audio.T, rate


# -- the transform --------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 2, HOP - 1, HOP, 882, 1024, 2048, 2049, 20_000,
                               64 * HOP - 1, 64 * HOP, 64 * HOP + 1, 3 * 64 * HOP + 700])
def test_a_stem_that_gets_everything_is_the_input(small, monkeypatch, n):
    """Also at both ends, and at the borders of passes."""
    monkeypatch.setattr(separator, "_PASS", 64)
    monkeypatch.setattr(Separator, "shares", only("toms"))
    audio = beat(n, channels=1 if n < 2 else 2) + 0.01
    stems = small(audio, SAMPLE_RATE)
    offset = audio.mean(axis=1, keepdims=True) if n >= SAMPLE_RATE else 0  # is no drum
    np.testing.assert_allclose(stems["toms"], audio - offset, atol=1e-6)
    assert all(not stems[name].any() for name in STEMS if name != "toms")


def test_masks_on_bins_are_the_transposed_filters():
    shares = np.random.default_rng(0).random((7, N_BANDS), dtype=np.float32)
    out = np.empty((7, len(band_filters())), np.float32)
    np.testing.assert_allclose(
        separator._widen(shares, out), shares @ band_filters().T, atol=1e-6)


@pytest.mark.parametrize("passes", [8, 64, 200])
def test_no_seam_between_passes(small, monkeypatch, passes):
    audio = beat((2 if passes == 8 else 8) * SAMPLE_RATE + 123)
    monkeypatch.setattr(separator, "_PASS", 1 << 20)
    whole = small(audio, SAMPLE_RATE)
    monkeypatch.setattr(separator, "_PASS", passes)
    for name, stem in small(audio, SAMPLE_RATE).items():
        np.testing.assert_allclose(stem, whole[name], atol=1e-5)


def test_blocks_of_any_size_give_the_same(small):
    audio = beat(SAMPLE_RATE)
    whole = np.concatenate(list(small.stream([audio], -20.0)), axis=-1)
    edges = [0, 1, 1000, 1000, 30_000, SAMPLE_RATE]
    cut = np.concatenate(list(small.stream(
        [audio[:, a:b] for a, b in zip(edges, edges[1:])], -20.0)), axis=-1)
    assert whole.shape == (5, 2, SAMPLE_RATE)
    np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_threads_change_nothing(small, monkeypatch):
    audio = beat(3 * SAMPLE_RATE)
    monkeypatch.setattr(separator, "_PASS", 64)
    one = small(audio, SAMPLE_RATE)
    monkeypatch.setattr(separator, "_PASS", 64)
    monkeypatch.setattr(network.torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(network.torch, "set_num_threads", lambda n: None)
    three = small(audio, SAMPLE_RATE)
    for name in STEMS:
        np.testing.assert_array_equal(one[name], three[name])


# -- arrays ---------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_stems_and_residual_sum_to_the_array(packaged, rate, channels):
    audio = beat(rate + 17, channels, rate)
    stems = separate(audio, rate, residual=True)
    assert list(stems) == [*STEMS, "residual"]
    for stem in stems.values():
        assert stem.shape == audio.shape and stem.dtype == np.float32
        assert np.isfinite(stem).all()
    np.testing.assert_allclose(sum(stems.values()), audio, atol=1e-6)
    assert max(np.abs(stems[name]).max() for name in STEMS) > 1e-3


@pytest.mark.parametrize("rate", [8_000, 44_100, 48_000, 192_000])
@pytest.mark.parametrize("seconds", [0, 0.02, 0.3])
def test_short_arrays(packaged, rate, seconds):
    audio = beat(max(1, round(seconds * rate)), 1, rate)[0]
    stems = separate(audio, rate, residual=True)
    assert all(stem.shape == (1, len(audio)) for stem in stems.values())
    np.testing.assert_allclose(sum(stems.values())[0], audio, atol=1e-6)


def test_silence_stays_silent(packaged):
    stems = separate(np.zeros((2, 5000), np.float32), 44_100, residual=True)
    assert all(not stem.any() for stem in stems.values())


def test_channels_are_separated_by_themselves(small):
    """A silent channel stays silent: no stem leaks from the other one."""
    audio = beat(SAMPLE_RATE)
    audio[1] = 0
    assert all(not stem[1].any() and stem[0].any() for stem in small(audio, SAMPLE_RATE).values())


def test_channels_of_one_drummer_share_a_mask(small):
    """Which keeps the image: what is 3 dB softer on the right is so in every stem."""
    left = beat(SAMPLE_RATE, channels=1)
    stems = small(np.concatenate([left, 0.7 * left]), SAMPLE_RATE)
    alone = small(left, SAMPLE_RATE)
    for name, stem in stems.items():
        np.testing.assert_allclose(stem[1], 0.7 * stem[0], atol=1e-5)
        assert alone[name].any()


@pytest.mark.parametrize("soft, joint", [(1.0, True), (0.8, True), (0.5, False), (0.0, False)])
def test_channels_with_little_in_common_get_masks_of_their_own(soft, joint):
    """A hard-panned drummer beside a band, as on records of the sixties."""
    one, two = beat(2 * SAMPLE_RATE, channels=1), beat(2 * SAMPLE_RATE, channels=1, seed=1)
    one[:, SAMPLE_RATE // 2:] *= soft  # two sounds at first, one after the other then
    two[:, :SAMPLE_RATE // 2] *= soft
    assert separator._overview([np.concatenate([one, two])]).joint == joint


@pytest.mark.parametrize("joint", [True, False])
def test_masks_of_all_channels_or_of_each(small, monkeypatch, joint):
    seen = []
    shares = Separator.shares
    monkeypatch.setattr(Separator, "shares",
                        lambda self, decibel: seen.append(decibel) or shares(self, decibel))
    audio = beat(SAMPLE_RATE)
    stems = np.concatenate(list(small.stream([audio], -20.0, joint)), axis=-1)
    assert stems.shape == (5, 2, SAMPLE_RATE) and len(seen) == (1 if joint else 2)


def test_the_input_is_not_changed(packaged):
    audio = beat(5000)
    before = audio.copy()
    separate(audio, 44_100, residual=True)
    np.testing.assert_array_equal(audio, before)


def test_bad_arrays_are_refused(small):
    for bad in (np.zeros((0,), np.float32), np.full(1000, np.nan), np.zeros((1000, 2))):
        with pytest.raises(AudioError):
            small(bad, 44_100)


def test_samples_that_are_no_audio_are_refused(packaged, tmp_path):
    loud = 1e17 * beat(5000)
    with pytest.raises(AudioError, match="full scale"):
        separate(loud, 44_100)
    soundfile.write(tmp_path / "in.wav", loud.T, SAMPLE_RATE, subtype="DOUBLE")
    with pytest.raises(AudioError, match=r"in\.wav: .*full scale"):
        separate_file(tmp_path / "in.wav", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_progress_reaches_the_end(packaged, tmp_path, monkeypatch):
    monkeypatch.setattr(separator, "_PASS", 64)
    path = write(tmp_path / "in.wav", beat(3 * SAMPLE_RATE))
    for run in (lambda p: separate(path, progress=p),
                lambda p: separate_file(path, tmp_path / "out", progress=p)):
        seen = []
        run(seen.append)
        assert len(seen) > 3 and seen == sorted(seen) and seen[-1] == pytest.approx(1.0)


# -- files ----------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_stems_and_residual_sum_to_the_file(packaged, tmp_path, rate, channels):
    audio = beat(2 * rate + 31, channels, rate)
    path = write(tmp_path / "in.wav", audio, rate)
    files = separate_file(path, tmp_path / "new" / "stems", residual=True)
    assert list(files) == [*STEMS, "residual"]
    total = 0
    for name, file in files.items():
        assert file == tmp_path / "new" / "stems" / f"{name}.wav"
        stem, stem_rate = read(file)
        assert stem_rate == rate and stem.shape == audio.shape
        assert soundfile.info(file).subtype == "FLOAT"
        total = total + stem
    np.testing.assert_allclose(total, read(path)[0], atol=6 * PCM_24)


@pytest.mark.parametrize("rate", [44_100, 48_000])
@pytest.mark.parametrize("n", [1, 2, 882, 960])
def test_short_files(packaged, tmp_path, rate, n):
    path = write(tmp_path / "in.wav", beat(n, 2, rate), rate)
    files = separate_file(path, tmp_path, residual=True)
    stems = separate(path, residual=True)
    for name, file in files.items():
        written, _ = read(file)
        assert written.shape == stems[name].shape == (2, n)
    np.testing.assert_allclose(sum(stems.values()), read(path)[0], atol=1e-6)
    np.testing.assert_allclose(sum(read(f)[0] for f in files.values()), read(path)[0],
                               atol=6 * PCM_24)


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_file_and_array_agree(packaged, tmp_path, monkeypatch, rate):
    monkeypatch.setattr(separator, "_PASS", 64)
    path = write(tmp_path / "in.wav", beat(2 * rate, 2, rate), rate)
    files, stems = separate_file(path, tmp_path), separate(path)
    assert list(files) == list(stems) == list(STEMS)
    for name in STEMS:
        np.testing.assert_allclose(read(files[name])[0], stems[name], atol=1e-4)


@pytest.mark.parametrize("rate", [22_050, 48_000])
def test_resampling_does_not_move_a_stem(packaged, tmp_path, monkeypatch, rate):
    """In a file at another rate, a stem that gets everything is the input, on time."""
    monkeypatch.setattr(Separator, "shares", only("snare"))
    t = np.arange(rate) / rate
    audio = (0.4 * np.sin(2 * np.pi * 500 * t) * np.sin(np.pi * t) ** 2)[None].astype(np.float32)
    path = write(tmp_path / "in.wav", audio, rate)
    snare, _ = read(separate_file(path, tmp_path)["snare"])
    np.testing.assert_allclose(snare, audio, atol=1e-3)
    np.testing.assert_allclose(separate(audio, rate)["snare"], audio, atol=1e-3)


def test_flac(packaged, tmp_path):
    path = write(tmp_path / "in.wav", beat(5000))
    files = separate_file(path, tmp_path / "out", suffix=".flac")
    assert {f.suffix for f in files.values()} == {".flac"}
    assert all(read(f)[0].shape == (2, 5000) for f in files.values())


def test_what_flac_clips_is_in_the_residual(tmp_path):
    class Loud:
        def said(self, overview):
            return None

        def stream(self, blocks, *_, **__):
            for block in blocks:
                yield np.stack([1.5 * block, *4 * [0.1 * block]])

    path = write(tmp_path / "in.wav", beat(5000) / np.abs(beat(5000)).max(), subtype="FLOAT")
    with pytest.warns(UserWarning, match="clip"):
        files = separate_file(path, tmp_path / "out", suffix=".flac", residual=True,
                              separator=Loud())
    total = sum(read(f)[0] for f in files.values())
    np.testing.assert_allclose(total, read(path)[0], atol=1e-5)


def test_some_stems_alone(packaged, tmp_path):
    path = write(tmp_path / "in.wav", beat(5000))
    every = separate_file(path, tmp_path / "all", residual=True)
    some = separate_file(path, tmp_path / "some", residual=True, only={"toms", "residual"})
    assert set(some) == {"toms", "residual"}
    assert sorted(p.name for p in (tmp_path / "some").iterdir()) == ["residual.wav", "toms.wav"]
    for name, file in some.items():
        np.testing.assert_array_equal(read(file)[0], read(every[name])[0])
    for wrong in ("kicks", {"bass"}, {"kick", "residual"}):  # the last without residual=True
        with pytest.raises(ConfigError, match="only: there is no"):
            separate_file(path, tmp_path / "none", only=wrong)


def test_first_frames_are_those_after_silence(small, monkeypatch):
    """A file may begin on a stroke."""
    audio = beat(40_000)
    lead = np.zeros((2, 48 * HOP), np.float32)
    level = separator._overview([audio]).level
    cut, padded = (np.concatenate(list(small.stream([a], level)), axis=-1)
                   for a in (audio, np.concatenate([lead, audio], axis=1)))
    monkeypatch.setattr(separator, "lead_in", lambda first: np.zeros((0, N_BANDS), np.float32))
    without = np.concatenate(list(small.stream([audio], level)), axis=-1)

    def error(stems):
        return np.square(stems - padded[..., lead.shape[1]:])[..., :10 * HOP].mean()

    assert error(cut) < 0.1 * error(without)


def test_an_offset_is_left_in_the_residual(packaged, tmp_path):
    audio = beat(50_000) * 0.1
    plain, moved = (separate(audio + np.float32(o), SAMPLE_RATE, residual=True)
                    for o in (0, 0.2))
    for stem in STEMS:
        np.testing.assert_allclose(moved[stem], plain[stem], atol=2e-3)
    assert np.mean(moved["residual"]) == pytest.approx(0.2, abs=0.01)
    files = separate_file(write(tmp_path / "in.wav", audio + np.float32(0.2)), tmp_path / "out")
    for stem in STEMS:
        np.testing.assert_allclose(read(files[stem])[0], moved[stem], atol=1e-3)


def test_a_separator_takes_what_separate_takes(small, packaged, tmp_path):
    file = write(tmp_path / "a.wav", beat(9000, rate=22_050), 22_050)
    expected = separate(file, residual=True)
    for given in (small(file, residual=True), small(*audio.load(file, None), residual=True)):
        assert list(given) == [*STEMS, "residual"]
        for name, stem in given.items():
            np.testing.assert_array_equal(stem, expected[name])
    assert list(small(file)) == list(STEMS)


def test_a_loaded_separator_serves_many_files(small, tmp_path, monkeypatch):
    monkeypatch.setattr("adt.weights.FOLDER", tmp_path)  # nothing to load from
    path = write(tmp_path / "in.wav", beat(5000))
    assert separate_file(path, tmp_path / "out", separator=small)["kick"].is_file()


def test_outputs_appear_whole_or_not_at_all(packaged, tmp_path):
    audio = beat(40 * SAMPLE_RATE, 1)
    audio[0, -1] = np.nan
    path = write(tmp_path / "in.wav", audio, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"in\.wav: contains NaN"):
        separate_file(path, tmp_path / "out")
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and p != path]


def test_unusable_outputs_are_named(packaged, tmp_path):
    path = write(tmp_path / "in.wav", beat(5000))
    with pytest.raises(OutputError, match=r"cannot write \.mp3; use \.wav or \.flac"):
        separate_file(path, tmp_path / "out", suffix=".mp3")
    with pytest.raises(OutputError, match="cannot be written"):
        separate_file(path, path)  # a file is no folder
    with pytest.raises(AudioError, match="no such file"):
        separate_file(tmp_path / "missing.wav", tmp_path / "out")
    own = write(tmp_path / "kick.wav", beat(5000))
    before = own.read_bytes()
    with pytest.raises(OutputError, match="kick.wav: is the input itself"):
        separate_file(own, tmp_path)
    assert own.read_bytes() == before and not (tmp_path / "snare.wav").exists()


def test_memory_does_not_grow_with_length(packaged, tmp_path, monkeypatch):
    monkeypatch.setattr(Separator, "shares", only("kick"))
    monkeypatch.setattr(separator, "_PASS", 240)

    def peak(seconds):
        path = write(tmp_path / f"{seconds}.wav", beat(seconds * SAMPLE_RATE, 1))
        tracemalloc.start()
        separate_file(path, tmp_path / "out", residual=True)
        result = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return result

    peak(1)  # imports and caches
    assert peak(160) < 1.3 * peak(40)  # 42 MB more, of 72, if the audio were held


# -- the Wiener step ------------------------------------------------------------------


def test_wiener_of_two_changes_nothing(small_bank, small):
    shares = np.random.default_rng(0).dirichlet(np.ones(6), size=(20, N_BANDS))
    shares = np.moveaxis(shares, -1, 0).astype(np.float32)
    np.testing.assert_allclose(separator.wiener(shares, 2.0), shares, atol=1e-6)
    two = Separator(small_bank, wiener=2.0)
    decibel = np.random.default_rng(1).uniform(-60, 0, (24, N_BANDS)).astype(np.float32)
    masks = torch.from_numpy(two.logits(decibel))[None]
    masks = separator.masks(masks)[0].numpy()
    np.testing.assert_array_equal(two.shares(decibel), masks)
    assert small.wiener == WIENER != 2
    np.testing.assert_allclose(small.shares(decibel), separator.wiener(masks, WIENER))


def test_wiener_sharpens_and_softens():
    shares = np.array([0.7, 0.2, 0.1])[:, None]
    sharp, soft = separator.wiener(shares, 4.0), separator.wiener(shares, 1.0)
    assert sharp[0] > shares[0] > soft[0] and sharp[2] < shares[2] < soft[2]
    np.testing.assert_allclose([sharp.sum(), soft.sum()], 1.0)
    none = separator.wiener(np.array([[0.0], [1.0]]), 10.0)  # no division by zero
    np.testing.assert_allclose(none, [[0.0], [1.0]], atol=1e-6)


def test_wiener_keeps_the_sum(packaged):
    audio = beat(20_000)
    stems = separate(audio, 44_100, residual=True, wiener=0.5)
    np.testing.assert_allclose(sum(stems.values()), audio, atol=1e-6)


@pytest.mark.parametrize("alpha", [0, -1, 11, float("nan"), float("inf")])
def test_other_exponents_are_refused(packaged, tmp_path, alpha):
    with pytest.raises(ConfigError, match="choose 0.1 to 10"):
        separate(beat(5000), 44_100, wiener=alpha)
    with pytest.raises(ConfigError, match="choose 0.1 to 10"):
        separate_file(write(tmp_path / "in.wav", beat(5000)), tmp_path / "out", wiener=alpha)
    assert not (tmp_path / "out").exists()


def test_nothing_is_said_on_the_way(packaged, tmp_path):
    path = write(tmp_path / "in.wav", beat(SAMPLE_RATE))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        separate_file(path, tmp_path / "out", residual=True)


def test_the_input_by_another_name_is_not_replaced(packaged, tmp_path):
    path = write(tmp_path / "in.wav", beat(2000))
    (tmp_path / "kick.wav").hardlink_to(path)  # as kick.wav is Kick.wav on a Mac
    with pytest.raises(OutputError, match="is the input itself"):
        separate_file(path, tmp_path)

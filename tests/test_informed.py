"""Masks informed by hits: the factorisation on patterns with known parts, and what calls it."""

import numpy as np
import pytest
import torch

from adt.errors import AudioError, ConfigError, OutputError
from adt.features import N_BANDS
from adt.frames import HOP, SAMPLE_RATE
from adt.inference import Transcriber
from adt.peaks import apart
from adt.transcription import Hit, Transcription
from adt.vocabulary import STEMS, stem_of
from separation import Separator, informed, separate, separate_file, separator
from separation.informed import N_GROUPS, Strokes, inform

FRAMES = 900
SNARE = np.array([20, 120, 220, 320, 420, 520, 620, 720])
HIHAT = np.array([70, 120, 170, 270, 320, 370, 470, 520, 570, 670, 720, 770])  # 4 with a snare
HITS = [*(Hit(f / 100, "snare", 100) for f in SNARE),
        *(Hit(f / 100, "hihat_closed", 80) for f in HIHAT)]


@pytest.fixture(scope="module")
def small(small_bank):
    return Separator(small_bank)


@pytest.fixture(scope="module")
def truth():
    """Powers of two stems whose sounds overlap, shape (5, frames, groups), and the mixture's."""
    rng = np.random.default_rng(0)
    stems = np.zeros((len(STEMS), FRAMES, N_GROUPS), np.float32)
    for stem, at, decay in (("snare", SNARE, 12.0), ("hihat", HIHAT, 5.0)):
        sound = rng.exponential(size=(60, N_GROUPS)) * np.exp(-np.arange(60) / decay)[:, None]
        for frame in at:
            stems[STEMS.index(stem), frame - 2: frame + 58] += sound * rng.uniform(0.5, 1.5)
    return stems, stems.sum(axis=0) + 1e-6


@pytest.fixture(scope="module")
def blurred(truth):
    """What a bank might say: right, but for a third that goes to the other stem."""
    stems, power = truth
    shares = 0.98 * stems / power
    pair = [STEMS.index("snare"), STEMS.index("hihat")]
    shares[pair] = 0.67 * shares[pair] + 0.33 * shares[pair[::-1]]
    return np.concatenate([shares, 1 - shares.sum(axis=0, keepdims=True)]).astype(np.float32)


def error(shares, truth, frames=slice(None)):
    stems, power = truth
    return float(np.abs(shares[:-1] * power - stems)[:, frames].sum())


def test_strokes_that_fall_together_are_told_apart(truth, blurred):
    found = inform(blurred, truth[1], Strokes.of(HITS))
    together = np.concatenate([np.arange(f - 2, f + 20) for f in set(SNARE) & set(HIHAT)])
    assert error(found, truth, together) < 0.6 * error(blurred, truth, together)
    assert error(found, truth) < 0.6 * error(blurred, truth)


def test_shares_sum_to_one_and_the_residual_stays(truth, blurred):
    found = inform(blurred, truth[1], Strokes.of(HITS))
    assert found.dtype == np.float32 and found.shape == blurred.shape
    np.testing.assert_allclose(found.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(found[-1], blurred[-1])


def test_the_order_of_hits_and_names_of_classes_do_not_matter(truth, blurred):
    found = inform(blurred, truth[1], Strokes.of(HITS))
    named = {"snare": "SD", "hihat_closed": "HH"}
    classes = [Hit(h.time, named[h.piece], h.velocity) for h in HITS[::-1]]
    np.testing.assert_allclose(inform(blurred, truth[1], Strokes.of(classes)), found, atol=1e-4)


def test_a_missed_stroke_is_not_given_away(truth, blurred):
    for missed in (120, 420):  # with a hat, and alone
        hits = [h for h in HITS if h.piece != "snare" or round(100 * h.time) != missed]
        found = inform(blurred, truth[1], Strokes.of(hits))
        around = np.arange(missed - 2, missed + 20)
        assert error(found, truth, around) < 1.05 * error(blurred, truth, around)


KICK, TOMS = STEMS.index("kick"), STEMS.index("toms")


@pytest.fixture
def taken():
    """A kick and a tom by turns, all of which is the kick's to the bank; shares, power, truth."""
    sound = np.exp(-np.arange(80) / 20.0)[:, None] * np.ones(N_GROUPS)
    truth = np.zeros((6, 400, N_GROUPS), np.float32)
    for frame, stem in ((50, KICK), (100, TOMS), (200, TOMS), (240, KICK)):
        truth[stem, frame - 2: frame + 78] += sound
    power = truth.sum(axis=0)
    shares = np.zeros_like(truth)
    shares[KICK] = 0.95
    shares[TOMS], shares[-1] = 0.03, 0.02
    return shares, power, truth


def struck(frames, sure=0.91, kicks=(50, 240)):
    """Toms of some confidence among kicks."""
    frames, names = np.array([*kicks, *frames]), ["kick"] * len(kicks) + ["tom_floor"] * len(frames)
    order = np.argsort(frames, kind="stable")
    return Strokes(frames[order], np.array(names, object)[order], np.ones(len(frames), np.float32),
                   np.where(np.array(names)[order] == "kick", 1.0, sure))


def test_sure_strokes_are_where_the_hits_say(taken):
    shares, power, truth = taken
    told = informed._as_told(shares, power, struck([100, 200]))
    np.testing.assert_allclose(told.sum(axis=0), 1, atol=1e-6)
    np.testing.assert_array_equal(told[-1], shares[-1])
    assert told[TOMS, 98:120].min() > 0.7  # the rest is what rang of the kick
    assert told[TOMS, 198:230].min() > 0.9
    np.testing.assert_array_equal(told[:, 238:], shares[:, 238:])  # the kick is struck again
    np.testing.assert_array_equal(told[:, :98], shares[:, :98])
    was, now = (np.abs(s[[KICK, TOMS]] * power - truth[[KICK, TOMS]]).sum() for s in (shares, told))
    assert now < 0.35 * was
    assert informed.inform(shares, power, struck([100, 200]))[TOMS, 200:220].min() > 0.5


@pytest.mark.parametrize("strokes", [
    struck([100, 200], sure=0.89), struck([100], kicks=(50, 102, 240)), struck([1]), struck([])])
def test_the_bank_is_believed_otherwise(taken, strokes):
    """Hits that are not sure, come with one of the other stem, or have nothing before them."""
    shares, power, _ = taken
    np.testing.assert_array_equal(informed._as_told(shares, power, strokes), shares)


def test_a_little_of_any_stroke_stays_where_it_is(taken):
    shares, power, _ = taken
    shares[TOMS], shares[KICK] = 0.85, 0.13
    alone = struck([100], kicks=())
    np.testing.assert_array_equal(informed._as_told(shares, power, alone), shares)
    shares[TOMS], shares[KICK] = 0.75, 0.23
    assert informed._as_told(shares, power, alone)[TOMS, 100].min() > 0.9


def test_a_hat_must_be_known_to_take_what_the_bank_gives_to_a_cymbal(taken):
    shares, power, _ = taken
    shares = shares[[0, 1, 2, TOMS, KICK, 5]]  # hats in place of the toms, cymbals of the kick
    heard, known = (informed._as_told(shares, power, Strokes.of(
        [Hit(1.0, "hihat_open", 90, confidence)])) for confidence in (0.98, 1.0))
    np.testing.assert_array_equal(heard, shares)
    assert known[STEMS.index("hihat"), 100].min() > 0.8


def test_strokes_have_the_confidence_of_their_hits():
    hits = [Hit(0.1, "kick", 90, 0.89), Hit(0.2, "snare", 90, 0.9), Hit(0.3, "snare", 90)]
    assert Strokes.of(hits).confidence.tolist() == pytest.approx([0.89, 0.9, 1.0])
    assert Strokes.of(hits).within(15, 25).confidence.tolist() == pytest.approx([0.9])


def test_a_stroke_that_was_not_played_takes_nothing(truth, blurred):
    found = inform(blurred, truth[1], Strokes.of([*HITS, Hit(8.2, "snare", 100)]))
    assert error(found, truth) < 0.6 * error(blurred, truth)


def test_nothing_known_changes_nothing(truth, blurred):
    assert inform(blurred, truth[1], Strokes.of([])) is blurred
    assert inform(blurred, 0 * truth[1], Strokes.of(HITS)) is blurred


@pytest.mark.parametrize("n", [1, 2, 3, 70])
def test_few_frames(truth, blurred, n):
    found = inform(blurred[:, :n], truth[1][:n], Strokes.of([Hit(0.0, "kick"), Hit(n, "crash")]))
    assert found.shape == (6, n, N_GROUPS) and np.isfinite(found).all()


def test_strokes_of_a_stretch():
    strokes = Strokes.of([Hit(0.504, "snare", 64), Hit(0.1, "kick", 127), Hit(0.8, "TT")])
    assert strokes.frames.tolist() == [10, 50, 80] and len(strokes) == 3
    assert strokes.pieces.tolist() == ["kick", "snare", "TT"]
    assert strokes.velocities[:2].tolist() == pytest.approx([1.0, 64 / 127])
    part = strokes.within(50, 80)
    assert part.frames.tolist() == [0] and part.pieces.tolist() == ["snare"]
    assert [stem_of(p) for p in ("tom_floor", "TT", "CY", "ride")] == [
        "toms", "toms", "cymbals", "cymbals"]


def test_groups_are_all_bins():
    rng = np.random.default_rng(0)
    spectra = (rng.normal(size=(2, 7, 1025)) + 1j * rng.normal(size=(2, 7, 1025))).astype(
        np.complex64)
    power = informed.group_power(spectra)
    assert power.shape == (7, N_GROUPS) == (7, informed.GROUP_OF_BIN[-1] + 1)
    np.testing.assert_allclose(
        power.sum(axis=1), (np.abs(spectra) ** 2).mean(axis=0).sum(axis=1), rtol=1e-4)
    flat = np.full((3, informed.BANDS_TO_GROUPS.shape[0]), 0.25, np.float32)
    np.testing.assert_allclose((flat @ informed.BANDS_TO_GROUPS)[:, 4:-8], 0.25, atol=0.02)
    np.testing.assert_array_equal(separator._spread(power, np.empty((7, 1025), np.float32)),
                                  power[:, informed.GROUP_OF_BIN])


# -- the separator ------------------------------------------------------------------------


def beat(n, seed=0):
    """Noise, two channels of the same."""
    noise = 0.1 * np.random.default_rng(seed).standard_normal(n)
    return np.stack([noise, noise]).astype(np.float32)


def drums(seconds, seed=0):
    """Two sounds that alternate and fall together, stereo, and their hits."""
    rng = np.random.default_rng(seed)
    n = round(0.2 * SAMPLE_RATE)
    t = np.arange(n) / SAMPLE_RATE
    sounds = {"kick": np.sin(2 * np.pi * 60 * t) * np.exp(-t / 0.05),
              "hihat_closed": 0.2 * rng.normal(size=n) * np.exp(-t / 0.02)}
    audio, hits = np.zeros((2, round(seconds * SAMPLE_RATE) + n), np.float32), []
    for k in range(int(4 * seconds)):
        for piece, every in (("kick", 3), ("hihat_closed", 2)):
            if k % every == 0:
                at = k * SAMPLE_RATE // 4
                audio[:, at: at + n] += 0.3 * sounds[piece]
                hits.append(Hit(k / 4, piece, 100))
    return audio[:, : round(seconds * SAMPLE_RATE)], Transcription(hits, seconds)


@pytest.fixture
def no_samples(monkeypatch):
    """Masks alone: nothing repeats."""
    monkeypatch.setattr(separator, "take_samples", lambda signal, *_: ({}, signal))


def test_hits_change_the_stems_and_not_the_drums(small_bank, no_samples):
    exact = Separator(small_bank, wiener=2.0)
    audio, hits = drums(4.0)
    plain, told = exact(audio, SAMPLE_RATE), exact(audio, SAMPLE_RATE, hits=hits)
    assert max(np.abs(told[s] - plain[s]).max() for s in STEMS) > 1e-3
    difference = sum(told.values()) - sum(plain.values())  # bands of one and groups of the other
    assert np.sqrt((difference ** 2).mean() / (audio ** 2).mean()) < 0.1


def test_no_hits_change_little(small):
    audio, _ = drums(2.0)
    plain = small(audio, SAMPLE_RATE)
    for name, stem in small(audio, SAMPLE_RATE, hits=[]).items():  # groups in place of bands
        assert np.abs(stem - plain[name]).max() < 0.05 * np.abs(audio).max()


def test_blocks_and_threads_change_nothing(small, monkeypatch):
    audio, hits = drums(5.0)
    monkeypatch.setattr(separator, "_INFORMED_PASS", 200)
    whole = np.concatenate(list(small.stream([audio], -20.0, hits=hits)), axis=-1)
    assert whole.shape == (5, 2, 5 * SAMPLE_RATE)
    cut = np.concatenate(list(small.stream(
        np.array_split(audio, 7, axis=1), -20.0, hits=hits)), axis=-1)
    np.testing.assert_allclose(cut, whole, atol=1e-5)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        three = np.concatenate(list(small.stream([audio], -20.0, hits=hits)), axis=-1)
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(three, whole)


def test_strokes_are_where_the_pass_is(small, monkeypatch):
    seen = []

    def watch(shares, power, strokes):
        seen.append((len(power), strokes.frames.tolist()))
        return shares

    monkeypatch.setattr(separator, "inform", watch)
    monkeypatch.setattr(separator, "_INFORMED_PASS", 200)
    monkeypatch.setattr(separator, "_INFORMED_MARGIN", 50)
    monkeypatch.setattr(separator, "_FADE", 20)
    list(small.stream([np.ones((1, 13 * SAMPLE_RATE // 2), np.float32)], -20.0,
                      hits=[Hit(t, "kick") for t in (0.0, 1.9, 2.6, 6.4)]))
    # 651 frames: passes of 200 and, for less than 100 would be left, of the rest, with margins
    assert sorted(seen) == [(250, [0, 190]), (300, [40, 110]), (301, [290])]


def test_passes_give_way_to_each_other(small, monkeypatch, no_samples):
    """Masks that do not depend on the pass give the same in passes as in one."""
    audio, hits = drums(9.0)
    monkeypatch.setattr(separator, "inform", lambda shares, power, strokes: shares.copy())
    whole = np.concatenate(list(small.stream([audio], -20.0, hits=hits)), axis=-1)
    monkeypatch.setattr(separator, "_INFORMED_PASS", 256)
    cut = np.concatenate(list(small.stream([audio], -20.0, hits=hits)), axis=-1)
    np.testing.assert_allclose(cut, whole, atol=1e-5)

    turns = iter((0.0, 1.0))  # of two passes, the second one alone lets anything through
    monkeypatch.setattr(separator, "_INFORMED_PASS", 400)
    monkeypatch.setattr(separator, "in_parallel", lambda f, items, *_, **__: map(f, items))
    monkeypatch.setattr(separator, "inform", lambda shares, power, strokes: np.concatenate(
        [np.full_like(shares[:1], turn := next(turns)), 0 * shares[1:-1],
         np.full_like(shares[:1], 1 - turn)]))
    noise = beat(9 * SAMPLE_RATE)
    kick = np.concatenate(list(small.stream([noise], -20.0, hits=hits)), axis=-1)[0]
    middle = np.arange(4.0, 5.0, 0.01)[:-1]  # while the one gives way to the other
    levels = [kick[0, (at := round(t * SAMPLE_RATE)): at + 441] @ noise[0, at: at + 441]
              / (noise[0, at: at + 441] ** 2).sum() for t in middle]
    np.testing.assert_allclose(levels, middle - 4.0, atol=0.06)


def test_a_false_hit_invents_no_strokes(truth):
    """Where nothing of a stem is, its hits do not make strokes of ripples."""
    stems, _ = truth
    levels = np.sqrt(stems.sum(axis=2))
    levels[STEMS.index("toms")] = 0.015 * levels.max() * (np.arange(FRAMES) % 50 == 25)
    levels[STEMS.index("toms"), 30] = 0.5 * levels.max()  # a fill before its false hit
    strokes = Strokes.of([*HITS, Hit(8.0, "tom_mid", 100)])
    extra = informed._overlooked(levels, strokes)
    assert extra.frames[extra.pieces == "tom_mid"].tolist() == [29]


@pytest.mark.parametrize("hits", [
    [Hit(0.5, "cowbell")], [Hit(float("nan"), "kick")], [Hit(1e300, "kick")],
    [Hit(0.5, "kick", 300)], Transcription([Hit(0.5, "KD")], 1.0, classes=3)])
def test_what_are_no_hits_is_refused(small, hits):
    with pytest.raises(ConfigError, match="tell stems apart by|classes"):
        small(np.zeros((1, SAMPLE_RATE), np.float32), SAMPLE_RATE, hits=hits)


def test_strokes_that_come_too_soon_are_one():
    assert apart(np.array([9, 0, 1, 3, 4, 5, 6]), np.arange(7.0), 3).tolist() == [0, 1, 3, 6]
    crowd = [Hit(k / 200, "snare", 100) for k in range(400)]
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(6), (FRAMES, N_GROUPS)).transpose(2, 0, 1).astype(np.float32)
    found = inform(shares, rng.exponential(size=(FRAMES, N_GROUPS)).astype(np.float32),
                   Strokes.of(crowd))
    assert np.isfinite(found).all()


def test_torch_of_another_default_type(truth, blurred):
    found = inform(blurred, truth[1], Strokes.of(HITS))
    torch.set_default_dtype(torch.float64)
    try:
        np.testing.assert_array_equal(inform(blurred, truth[1], Strokes.of(HITS)), found)
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_level_of_the_audio_does_not_matter(truth, blurred):
    stems, power = truth
    found = inform(blurred, power, Strokes.of(HITS))
    for scale in (1e-12, 1e12):
        np.testing.assert_allclose(
            inform(blurred, power * np.float32(scale), Strokes.of(HITS)), found, atol=1e-3)


@pytest.mark.parametrize("joint", [True, False])
def test_channels_apart(small, joint):
    audio, hits = drums(2.0)
    audio[1] = audio[1, ::-1]
    stems = np.concatenate(list(small.stream([audio], -20.0, joint, hits)), axis=-1)
    assert stems.shape == (5, 2, 2 * SAMPLE_RATE) and np.isfinite(stems).all()


def test_file_and_array_agree(small_bank, tmp_path, monkeypatch):
    import soundfile
    monkeypatch.setattr("adt.weights.FOLDER", small_bank.parent)
    audio, hits = drums(2.0)
    soundfile.write(tmp_path / "in.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
    files = separate_file(tmp_path / "in.wav", tmp_path, hits=hits, residual=True)
    total = 0
    for name, stem in separate(tmp_path / "in.wav", hits=hits, residual=True).items():
        written = soundfile.read(files[name], dtype="float32")[0].T
        np.testing.assert_allclose(written, stem, atol=1e-5)
        total = total + written
    np.testing.assert_allclose(total, audio, atol=1e-5)


def test_informed_by_what_is_heard_unless_told_otherwise(tmp_path, monkeypatch):
    import soundfile
    audio, _ = drums(4.0)
    transcriber = Transcriber(beats=False)
    activations = transcriber.activations(audio, SAMPLE_RATE)
    hits = transcriber.hits(activations)
    assert len(hits) > 4
    heard = separate(audio, SAMPLE_RATE, residual=True)
    for name, stem in separate(audio, SAMPLE_RATE, hits=hits, residual=True).items():
        # the bank was asked once for both, of powers as a transcription keeps them
        np.testing.assert_allclose(heard[name], stem, atol=2e-3 * np.abs(audio).max())
    plain = separate(audio, SAMPLE_RATE, informed=False)
    assert any(np.abs(heard[name] - plain[name]).max() > 1e-3 for name in STEMS)
    soundfile.write(tmp_path / "in.wav", audio.T, SAMPLE_RATE, subtype="FLOAT")
    progress, read = [], []
    monkeypatch.setattr(separator.audio_io, "stream",
                        lambda *args, stream=separator.audio_io.stream, **kwargs:
                        read.append(args) or stream(*args, **kwargs))
    whole = transcriber.activations(audio, SAMPLE_RATE, for_stems=True).overview
    for given, exact in (({}, 1), ({"transcriber": transcriber}, 1),
                         ({"hits": hits, "overview": whole}, 1),
                         ({"hits": hits, "overview": activations.overview}, 0)):
        read.clear()
        files = separate_file(tmp_path / "in.wav", tmp_path, progress=progress.append, **given)
        assert len(read) == 2 - ("hits" in given)  # to hear it and to separate it
        for name in STEMS:
            written = soundfile.read(files[name], dtype="float32")[0].T
            np.testing.assert_allclose(written, heard[name], atol=1e-5 if exact else 1e-3)
    assert max(progress) == progress[-1] == pytest.approx(1)


def test_nothing_is_heard_before_it_is_clear_that_it_can_be_written(tmp_path, monkeypatch):
    import soundfile
    monkeypatch.setattr(separator, "_hear", lambda *_: pytest.fail("heard"))
    for channels, suffix in ((9, ".flac"), (2, ".mp3")):
        soundfile.write(tmp_path / "in.wav", np.zeros((5000, channels), np.float32), 44_100)
        with pytest.raises(OutputError, match="flac holds at most|cannot write"):
            separate_file(tmp_path / "in.wav", tmp_path / "out", suffix=suffix)
    assert not (tmp_path / "out").exists()


def test_loud_samples_are_for_the_bank_alone():
    audio = 1000 * drums(1.0)[0]
    with pytest.raises(AudioError, match="full scale"):
        separate(audio, SAMPLE_RATE)
    assert np.isfinite(separate(audio, SAMPLE_RATE, informed=False)["kick"]).all()


def test_what_a_transcription_knows_of_a_song_is_what_separation_asks():
    audio, _ = drums(3.0)
    for moved in (audio + np.float32(0.01), audio * np.float32([[1], [0]]), audio[:, :20_000]):
        known = Transcriber(beats=False).activations(moved, SAMPLE_RATE).overview
        asked = separator._overview([moved])
        assert known.level == pytest.approx(asked.level, abs=1e-4)
        assert (known.n_samples, known.joint) == (asked.n_samples, asked.joint)
        np.testing.assert_array_equal(known.offset, asked.offset)
    assert Transcriber(demix=False).activations(audio, SAMPLE_RATE).overview is None


def test_the_bank_is_asked_once(small_bank, small_detectors, tmp_path, monkeypatch):
    """Unless it is another one, channels get masks of their own, or the song is very long."""
    audio, hits = drums(3.0)
    transcriber = Transcriber(bank=small_bank, detectors=small_detectors[True], beats=False)
    known = transcriber.activations(audio, SAMPLE_RATE, for_stems=True).overview
    assert known.logits.shape == (5, 301, N_BANDS) and known.logits.dtype == np.float16
    assert transcriber.activations(audio, SAMPLE_RATE).overview.logits is None
    small, asked = Separator(small_bank), []
    monkeypatch.setattr(Separator, "logits", lambda self, decibel, logits=Separator.logits:
                        asked.append(len(decibel)) or logits(self, decibel))

    def times(overview, own=small):
        asked.clear()
        stems = own(audio, SAMPLE_RATE, hits=hits, overview=overview)
        assert all(np.isfinite(stem).all() for stem in stems.values())
        return len(asked), stems

    (never, stems), (once, again) = times(known), times(known._replace(logits=None))
    assert (never, once) == (0, 1)
    for name, stem in stems.items():
        np.testing.assert_allclose(again[name], stem, atol=2e-3 * np.abs(audio).max())
    assert times(known._replace(joint=False))[0] == 2
    assert times(known._replace(logits=known.logits[:, :200]))[0] == 1  # of other audio
    other = tmp_path / "other.safetensors"
    other.write_bytes(small_bank.read_bytes())
    assert times(known, Separator(other))[0] == 0  # the same weights by another name
    assert times(known._replace(bank="another"))[0] == 1
    monkeypatch.setattr("adt.listening.MOST_LOGITS", 100)
    assert transcriber.activations(audio, SAMPLE_RATE, for_stems=True).overview.logits is None


@pytest.mark.parametrize("frames", [1, 2, 2880, 4319, 4322, 7000, 20_001, 720_001])
def test_passes_of_a_known_length_are_as_long_as_each_other(frames):
    size, margin, least = separator._informed_sizes((frames - 1) * HOP)
    blocks = [np.zeros((1, (frames - 1) * HOP or 1), np.float32)]
    kept = [keep.stop - keep.start for _, keep, _ in separator._passes(blocks, size, margin, least)]
    assert frames <= sum(kept) <= frames + 1
    assert max(kept) < 1.5 * separator._INFORMED_PASS + 4 and size % 2 == 0
    assert len(kept) == 1 or (len(kept) % 2 == 0 and min(kept) > 1700)


@pytest.mark.parametrize("n, rate", [(1, 96_000), (1, 44_100), (HOP, 44_100), (100, 22_050)])
def test_hardly_any_audio(n, rate):
    for name, stem in separate(np.full((2, n), 0.1, np.float32), rate).items():
        assert stem.shape == (2, n) and np.isfinite(stem).all(), name


def test_a_generator_of_hits_serves_once(small):
    audio, hits = drums(1.0)
    one = small(audio, SAMPLE_RATE, hits=hits)
    two = small(audio, SAMPLE_RATE, hits=(hit for hit in hits))
    for name in STEMS:
        np.testing.assert_array_equal(one[name], two[name])

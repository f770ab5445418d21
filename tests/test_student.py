"""Recordings that nobody annotated: what is heard in them for labels, and clips that teach it."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from conftest import SMALL, run_training

from adt import config, weights
from adt.cli import main
from adt.errors import DataError
from adt.features import DB_RANGE, N_BANDS
from adt.frames import SAMPLE_RATE
from adt.inference import Transcriber
from adt.training import dataset, student
from adt.training.pseudo_labels import (
    Recording,
    pseudo_label,
    read_recordings,
    save_recording,
)
from adt.training.teachers import Teachers
from adt.transcription import Hit, Transcription
from adt.vocabulary import PIECES, STEM_COLUMNS, STEMS

CONFIGS = Path(config.__file__).parents[1] / "configs"
DETECTORS = (*SMALL, "model.front=[4,4,4,4]", "model.width=8", "model.dilations=[1,2]")
SNARE, HAT = PIECES.index("snare"), PIECES.index("hihat_closed")


def _recording(frames=400, every=20, name="band/song"):
    """Bursts on snares, with a doubtful hat half way between."""
    rng = np.random.default_rng(0)
    power = 1e-4 * rng.random((frames, N_BANDS), np.float32)
    at = np.arange(10, frames - 10, every)
    for frame in at:
        power[frame:frame + 6] += np.exp(-np.arange(6, dtype=np.float32))[:, None] / N_BANDS
    strokes = np.column_stack([at + 0.25, *np.broadcast_arrays(SNARE, 80, -1, 0.0 * at)])
    doubts = np.column_stack([at + every / 2, np.full(len(at), STEMS.index("hihat"))])
    return Recording(np.sqrt(power).astype(np.float16),
                     np.full((frames, N_BANDS), 255, np.uint8), strokes.astype(np.float32),
                     doubts.astype(np.float32), name, "CC0")


# -- labels ---------------------------------------------------------------------------


class _Listener:
    """A transcriber that hears what it is told, and half of every band as drums."""

    def __init__(self, sure, maybe):
        self.heard, self.seconds = {False: sure, True: maybe}, None
        self.chance = np.zeros((300, len(PIECES)), np.float32)

    def bands(self, audio, sr):
        self.seconds, self.loudest = audio.shape[1] / sr, np.abs(audio[0]).argmax() / sr
        power = np.random.default_rng(1).random((300, N_BANDS)).astype(np.float32)
        return SimpleNamespace(power=power)

    def stems(self, decibel):
        return np.stack([decibel - 10 * np.log10(10.0)] * 5)

    def bands_to_activations(self, bands, progress):
        return SimpleNamespace(judged=self.chance)

    def hits(self, activations, thresholds=None):
        return Transcription(self.heard[thresholds is not None], 3.0)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "a song.wav"
    soundfile.write(path, np.zeros(5 * SAMPLE_RATE), SAMPLE_RATE)
    return path


def test_sure_strokes_are_labels_and_others_are_doubts(wav):
    sure = [Hit(1.0, "snare", 90, 0.9), Hit(1.5, "snare", 40, 0.55), Hit(2.0, "kick", 70, 0.6)]
    maybe = [*sure, Hit(1.01, "snare", 9, 0.2), Hit(1.0, "ride", 9, 0.3), Hit(2.5, "kick", 9, 0.1)]
    listener = _Listener(sure, maybe)
    found = pseudo_label(listener, wav, seconds=3.0, licence="CC BY 4.0")
    assert listener.seconds == pytest.approx(3.0)
    np.testing.assert_allclose(found.strokes, [
        [100, SNARE, 90, -1, 0], [200, PIECES.index("kick"), 70, -1, 0]])
    np.testing.assert_allclose(found.doubts, [
        [100, STEMS.index("cymbals")], [150, STEMS.index("snare")], [250, STEMS.index("kick")]])
    assert found.drums.shape == found.bands.shape == (300, N_BANDS)
    assert set(np.unique(found.drums)) <= {127, 128}  # five tenths
    loudest = np.sort((found.bands.astype(float) ** 2).sum(axis=1))[-15:]
    assert 0.5 < loudest.mean() < 2.0
    assert (found.source, found.licence) == ("a song.wav", "CC BY 4.0")


def test_metal_that_is_sure_may_be_of_either_kind(wav):
    sure = [Hit(1.0, "hihat_closed", 90, 0.7), Hit(1.5, "crash", 40, 0.8),
            Hit(2.0, "hihat_open", 70, 0.6), Hit(2.01, "ride", 70, 0.8), Hit(2.5, "ride", 70, 0.8)]
    maybe = [*sure, Hit(1.01, "ride", 9, 0.2), Hit(1.2, "ride", 9, 0.3)]
    listener = _Listener(sure, maybe)
    for frame, piece, chance in ((100, "hihat_closed", 0.4), (101, "hihat_open", 0.2),
                                 (101, "ride", 0.2), (99, "crash", 0.1), (150, "crash", 0.8),
                                 (150, "hihat_open", 0.01), (200, "hihat_open", 0.6),
                                 (201, "ride", 0.8)):
        listener.chance[frame, PIECES.index(piece)] = chance
    found = pseudo_label(listener, wav)
    assert found.strokes[0, 3:] == pytest.approx([PIECES.index("ride"), 0.2 / 0.6])
    assert found.strokes[1:, 3:].tolist() == [[-1, 0]] * 4  # sure of both, or there is no other
    assert found.doubts.tolist() == [[120, STEMS.index("cymbals")]]


@pytest.mark.parametrize("chances, sure_too, other", [
    ({"ride": 0.7, "crash": 0.2, "hihat_closed": 0.1}, None, ("crash", 0.2 / 0.9)),
    ({"ride": 0.6, "crash": 0.1, "hihat_closed": 0.2, "hihat_open": 0.1}, None,
     ("hihat_closed", 0.3 / 1.0)),
    ({"ride": 0.7, "crash": 0.6}, "crash", None),
    ({"ride": 0.7, "crash": 0.1, "hihat_closed": 0.6}, "hihat_closed", ("crash", 0.1 / 0.8)),
    ({"ride": 0.7, "crash": 0.01}, None, None)])
def test_a_cymbal_may_be_the_other_one(wav, chances, sure_too, other):
    sure = [Hit(1.0, "ride", 90, 0.7)] + ([Hit(1.0, sure_too, 90, 0.6)] if sure_too else [])
    listener = _Listener(sure, sure)
    for piece, chance in chances.items():
        listener.chance[100, PIECES.index(piece)] = chance
    (found,) = [row for row in pseudo_label(listener, wav).strokes
                if row[1] == PIECES.index("ride")]
    expected = (PIECES.index(other[0]), other[1]) if other else (-1, 0)
    assert found[3:] == pytest.approx(expected)


@pytest.mark.parametrize("rate", [22_050, SAMPLE_RATE, 48_000])
def test_files_of_any_rate_are_heard_in_time(tmp_path, rate):
    click = np.zeros(4 * rate)
    click[2 * rate] = 0.9
    soundfile.write(tmp_path / "click.wav", click, rate)
    listener = _Listener([], [])
    pseudo_label(listener, tmp_path / "click.wav", seconds=3.0)
    assert listener.seconds == pytest.approx(3.0)
    assert listener.loudest == pytest.approx(2.0, abs=0.001)


def _burst(path, at, level, seconds=3.0):
    audio = np.zeros(int(seconds * SAMPLE_RATE))
    audio[int(at * SAMPLE_RATE):][:4410] = level * np.random.default_rng(2).standard_normal(4410)
    soundfile.write(path, audio, SAMPLE_RATE, subtype="FLOAT")
    return audio


@pytest.fixture(scope="module")
def hearer():
    return Transcriber(beats=False)


def test_a_song_is_learned_with_what_is_heard_in_a_part_of_it(tmp_path, hearer):
    drums = _burst(tmp_path / "drums.wav", 1.0, 0.02)
    band = _burst(tmp_path / "band.wav", 2.0, 0.2)
    soundfile.write(tmp_path / "song.wav", drums + band, SAMPLE_RATE, subtype="FLOAT")
    alone = pseudo_label(hearer, tmp_path / "drums.wav")
    found = pseudo_label(hearer, tmp_path / "drums.wav", song=tmp_path / "song.wav")
    song = pseudo_label(hearer, tmp_path / "song.wav")
    np.testing.assert_array_equal(found.strokes, alone.strokes)
    np.testing.assert_array_equal(found.doubts, alone.doubts)
    np.testing.assert_array_equal(found.bands, song.bands)
    assert found.drums[202:208].max() == 0  # the band alone
    np.testing.assert_allclose(found.drums[102:108], alone.drums[102:108], atol=1)  # as loud there


def test_a_song_has_the_length_of_its_part(tmp_path, hearer):
    _burst(tmp_path / "part.wav", 1.0, 0.1)
    _burst(tmp_path / "song.wav", 1.0, 0.1, seconds=2.5)
    with pytest.raises(DataError, match=r"song.wav: 2.5 s, and .*part.wav, a part of it, 3.0 s"):
        pseudo_label(hearer, tmp_path / "part.wav", song=tmp_path / "song.wav")
    _burst(tmp_path / "song.wav", 1.0, 0.1, seconds=2.96)  # as encoders pad
    found = pseudo_label(hearer, tmp_path / "part.wav", song=tmp_path / "song.wav")
    assert len(found.bands) == len(found.drums) == pytest.approx(297, abs=1)


@pytest.mark.parametrize("change, usable", [
    ({}, True),
    ({"strokes": np.zeros((0, 5), np.float32)}, False),
    ({"doubts": np.zeros((60, 2), np.float32)}, False)])
def test_drums_that_are_hardly_heard_teach_nothing(change, usable):
    assert _recording()._replace(**change).usable is usable


def test_hats_alone_are_not_enough():
    recording = _recording()
    recording.strokes[:, 1] = HAT
    assert not recording.usable


def test_recordings_are_read_as_they_were_written(tmp_path):
    first, second = _recording(name="a"), _recording(300, name="b")
    (tmp_path / "album").mkdir()
    save_recording(first, tmp_path / "1.npz")
    save_recording(second, tmp_path / "album" / "2.npz")
    for ours, theirs in zip(read_recordings(tmp_path), (first, second), strict=True):
        for got, written in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(got, written)


def test_what_is_no_recording_is_named(tmp_path):
    with pytest.raises(DataError, match="adt pseudo-label"):
        read_recordings(tmp_path)
    for name, content in (("text", b"text"), ("empty", b"")):
        (tmp_path / f"{name}.npz").write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.npz: not what adt pseudo-label writes"):
            read_recordings(tmp_path)
        (tmp_path / f"{name}.npz").unlink()
    np.savez(tmp_path / "other.npz", onset=np.zeros(3))
    with pytest.raises(DataError, match="other.npz: not what adt pseudo-label writes"):
        read_recordings(tmp_path)


def test_the_command_labels_drums_and_leaves_others_out(tmp_path, wav, capsys):
    """With the models of the package: what it hears in its own demo."""
    from adt.data.kits import read_kit
    from adt.data.render import render
    from adt.demo import groove
    from adt.synth import write_kit
    from adt.weights import find
    audio, played = render(groove(), read_kit(write_kit(tmp_path / "kit")))
    soundfile.write(tmp_path / "demo.wav", 0.1 * audio.T, SAMPLE_RATE)
    out, arguments = tmp_path / "out", ["--licence", "CC0", "--seconds", "60"]
    assert main(["pseudo-label", str(wav), str(tmp_path / "demo.wav"), "-o", str(out),
                 *arguments, "--detectors", str(find("detectors"))]) == 0
    assert f"{wav}: left out" in capsys.readouterr().err
    (found,) = read_recordings(out)  # nothing is heard in the silent one
    assert (found.source, found.licence) == ("demo", "CC0")
    kicks = 100 * played.times[played.articulations == PIECES.index("kick")]
    labels = found.strokes[found.strokes[:, 1] == PIECES.index("kick"), 0]
    near = np.abs(kicks[:, None] - labels).min(axis=1) < 3
    assert len(kicks) > 5 and near.mean() > 0.8
    loud = found.bands.astype(float).sum(axis=1) > 1
    assert found.drums[loud].mean() > 200  # of 255: all of it is drums

    written = (out / "demo.npz").stat().st_mtime_ns
    assert main(["pseudo-label", str(tmp_path / "demo.wav"), "-o", str(out)]) == 0
    assert (out / "demo.npz").stat().st_mtime_ns == written
    assert main(["pseudo-label", str(tmp_path / "none.wav"), "-o", str(out)]) == 1
    assert "none.wav" in capsys.readouterr().err


def test_the_command_takes_songs_by_the_names_of_their_parts(tmp_path, capsys):
    parts, songs = tmp_path / "parts", tmp_path / "songs"
    for folder in (parts, songs, songs / "b"):
        folder.mkdir()
    _burst(parts / "one.wav", 1.0, 0.1)
    _burst(songs / "two.wav", 1.0, 0.1)
    call = ["pseudo-label", str(parts), "-o", str(tmp_path / "out"), "--songs", str(songs)]
    assert main(call) == 1
    assert f"one.wav: no song of this name is in {songs}" in capsys.readouterr().err
    soundfile.write(songs / "one.flac", np.zeros(2 * SAMPLE_RATE), SAMPLE_RATE)
    assert main(call) == 1  # it is that one
    assert "one.flac: 2.0 s" in capsys.readouterr().err
    soundfile.write(songs / "b" / "one.wav", np.zeros(99), SAMPLE_RATE)
    assert main(call) == 1
    assert "have one name" in capsys.readouterr().err


def test_teachers_are_asked_together(tmp_path):
    from adt.weights import find, load_weights, save_weights
    tensors, description = load_weights("detectors")
    rng = np.random.default_rng(0)
    other = tmp_path / "other.safetensors"
    save_weights(other, {name: t * (1 + 0.15 * torch.from_numpy(
        rng.standard_normal(t.shape).astype(np.float32))) if t.is_floating_point() else t
        for name, t in tensors.items()}, description)
    audio = (0.1 * rng.standard_normal((1, 2 * SAMPLE_RATE))).astype(np.float32)
    audio *= np.exp(-(np.arange(audio.size) % 11_025) / 1000)
    alone = [Transcriber(beats=False, detectors=d) for d in ("detectors", other)]
    bands = alone[0].bands(audio, SAMPLE_RATE)
    first, second = (one.bands_to_activations(bands) for one in alone)
    assert np.abs(first.onset - second.onset).max() > 0.05
    twice = Teachers([find("detectors")] * 2).bands_to_activations(bands)
    np.testing.assert_allclose(twice.onset, first.onset, atol=1e-5 + 1e-6)
    done = []
    both = Teachers(["detectors", other]).bands_to_activations(bands, done.append)
    assert done == sorted(done) and done[-1] == pytest.approx(1)
    inner = (np.minimum(first.onset, second.onset) > 1e-3) \
        & (np.maximum(first.onset, second.onset) < 0.999)
    odds = np.sqrt(np.prod([one.onset / (1 - one.onset) for one in (first, second)], axis=0))
    np.testing.assert_allclose(both.onset[inner], (odds / (1 + odds))[inner], rtol=1e-3)
    np.testing.assert_allclose(both.velocity, (first.velocity + second.velocity) / 2, atol=1e-6)
    assert both.chance is not None and both.levels is not None


# -- clips ----------------------------------------------------------------------------


@pytest.fixture(scope="session")
def settings_of_detectors():
    return config.load_config(CONFIGS / "detectors.yaml", [*SMALL, "student.share=1.0"])


@pytest.fixture
def labelled(tmp_path):
    """Folder of the data, with one recording that was labelled."""
    save_recording(_recording(), tmp_path / "song.npz")
    return tmp_path


@pytest.fixture
def maker(data, labelled, settings_of_detectors):
    changed = {**settings_of_detectors,
               "data": {**settings_of_detectors["data"], "unlabelled": str(labelled)}}
    return dataset.training_maker(changed, data)


def test_clips_of_recordings_have_the_teacher_s_strokes(maker):
    assert isinstance(maker, student.StudentMaker)
    starts, found = set(), 0
    for seed in range(12):
        clip = maker(np.random.default_rng(seed))
        assert clip.mixture.shape == (100, N_BANDS) and np.isfinite(clip.mixture).all()
        assert DB_RANGE[0] <= clip.mixture.min() <= clip.mixture.max() <= DB_RANGE[1]
        others = [p for p in range(len(PIECES)) if p != SNARE]
        assert not clip.onset[:, others].any()
        at = np.flatnonzero(clip.onset[:, SNARE] > 0.9)
        assert (np.diff(at) == 20).all()
        starts.add(int(at[0]) if len(at) else -1)
        found += len(at)
        for frame in at:
            assert clip.velocity[frame, SNARE] == pytest.approx(80 / 127)
            assert clip.offset[frame, SNARE] == pytest.approx(0.25)
    assert found > 12 and len(starts) > 4


def test_doubts_teach_nothing_and_neither_does_what_comes_after_the_end(maker):
    hats = list(STEM_COLUMNS[STEMS.index("hihat")])
    ended = False
    for seed in range(12):
        clip = maker(np.random.default_rng(seed))
        at = np.flatnonzero(clip.onset[:, SNARE] > 0.9)
        for frame in at[at < 85]:
            around = clip.weight[frame:frame + 20, hats]
            if not around[-1].any():
                ended = True  # the recording ends there
                continue
            assert (around == 0).all(axis=1).sum() == 7 and not around[10].any()
            assert clip.weight[frame:frame + 15, SNARE].all()
    assert ended or any(not maker(np.random.default_rng(s)).weight[-1].any() for s in range(40))


def test_strokes_that_may_be_another_piece_s_are_in_part(maker):
    ride = PIECES.index("ride")
    maker.recordings[0].strokes[:, [1, 3, 4]] = HAT, ride, 0.25
    for odds, part in ((1.0, 0.25), (2.0, 0.1)):
        maker.student = {**maker.student, "odds": odds}
        clip = next(c for c in (maker(np.random.default_rng(s)) for s in range(9))
                    if (c.onset[:, HAT] > 0.5).any())
        at = clip.onset[:, HAT] > 0.9 * clip.onset[:, HAT].max()
        np.testing.assert_allclose(clip.onset[at, ride] / clip.onset[at, HAT], part / (1 - part),
                                   rtol=1e-5)
        np.testing.assert_allclose(clip.onset[at].max(), 1 - part, atol=0.06)
        assert (clip.velocity[at, ride] == clip.velocity[at, HAT]).all()
        assert (clip.offset[at, ride] == clip.offset[at, HAT]).all()


def test_odds_are_raised_to_a_power():
    chances = np.array([0, 0.2, 0.5, 0.9, 1], np.float32)
    np.testing.assert_allclose(student.sharper(chances, 1.0), chances, atol=1e-6)
    np.testing.assert_allclose(student.sharper(chances, 2.0), [0, 1 / 17, 0.5, 81 / 82, 1],
                               atol=1e-6)
    np.testing.assert_allclose(student.sharper(chances, 1e4), [0, 0, 0.5, 1, 1])  # yes or no


def test_windows_around_cymbals(maker, data, settings_of_detectors):
    one = _recording(2000)
    one.strokes[40, 1] = PIECES.index("crash")
    again = student.StudentMaker([one], {**maker.student, "cymbals": 1.0}, maker.performances,
                                 maker.kits, maker.shots, [], maker.settings)
    frame = one.strokes[40, 0]
    for seed in range(20):
        start = again._window(np.random.default_rng(seed))[1]
        assert start <= frame < start + again.frames


def test_student_clips_depend_on_the_seed_alone(maker):
    first, again, other = (maker(np.random.default_rng(n)) for n in (3, 3, 4))
    for name, value in vars(first).items():
        np.testing.assert_array_equal(value, getattr(again, name))
    assert not np.array_equal(first.mixture, other.mixture)


def test_a_share_of_the_clips_is_of_recordings(maker):
    maker.student = {**maker.student, "share": 0.0}
    clip = maker(np.random.default_rng(0))
    assert clip.shares.any()  # of a render the stems are known
    maker.student = {**maker.student, "share": 1.0}
    assert not maker(np.random.default_rng(0)).shares.any()


def test_detectors_that_learned_from_recordings_name_them(data, labelled, tmp_path):
    out = tmp_path / "out"
    assert run_training("detectors", data, out, (*DETECTORS, f"data.unlabelled={labelled}"),
                        "--config", str(CONFIGS / "detectors_mixture.yaml")) == 0
    told = weights.describe(out / "detectors_mixture.safetensors")
    assert told["training_data"]["recordings"] == ["band/song (CC0)"]
    assert told["student"]["share"] == 0.4


@pytest.mark.parametrize("change, words", [
    ("student.share=1.5", "student.share"), ("student.cymbals=-0.1", "student.cymbals"),
    ("student.odds=0", "student.odds"), ("student.band_db=[3,1]", "student.band_db")])
def test_settings_of_students_are_checked(data, tmp_path, capsys, change, words):
    assert run_training("detectors", data, tmp_path / "out", (*DETECTORS, change)) == 1
    assert words in capsys.readouterr().err


def test_a_bank_cannot_learn_from_recordings_without_stems(data, tmp_path, capsys):
    assert run_training("bank", data, tmp_path / "out", ("data.unlabelled=x",)) == 1
    assert "data.unlabelled" in (line := capsys.readouterr().err) and "detectors alone" in line

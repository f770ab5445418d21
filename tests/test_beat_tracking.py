"""Beats from strokes: rasters, decoding, long files, the packaged network, training clips."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import mir_eval
import numpy as np
import pytest
import torch

import adt
import adt.weights
from adt.beats.bar_network import by_beat
from adt.beats.beat_network import BeatNetwork, rasterise
from adt.beats.tracking import BeatTracker, bar_positions
from adt.config import load_config
from adt.data.rhythms import generate, read_midi_songs
from adt.errors import ConfigError
from adt.frames import BEAT_FRAME_RATE
from adt.training.bars import BarClips
from adt.training.beats import BeatClips, heard, targets
from adt.transcription import Hit, Transcription

FOLDER = Path(__file__).parents[1] / "configs"
CONFIG = load_config(FOLDER / "beats.yaml")


def groove(tempo: float, bars: int, metre: int = 4, start: float = 0.4) -> Transcription:
    """A plain rock or waltz groove with a crash every four bars."""
    beat, hits = 60 / tempo, []
    for bar in range(bars):
        at = start + bar * metre * beat
        hits += [Hit(at + k * beat / 2, "hihat_closed", 70) for k in range(2 * metre)]
        hits += [Hit(at, "kick", 110)] + ([Hit(at + 2 * beat, "kick", 100)] if metre == 4 else [])
        hits += [Hit(at + k * beat, "snare", 110) for k in ((1, 3) if metre == 4 else (1, 2))]
        if bar % 4 == 0:
            hits.append(Hit(at, "crash", 115))
    return Transcription(hits, start + bars * metre * beat + 1, "groove")


@pytest.fixture(scope="module")
def tracker():
    return BeatTracker()


def test_rasterise():
    grid = rasterise([0.02, 0.05, 9.0], [0, 1, 2], [0.5, 1.0, 1.0], [1.0, 0.8, 1.0], 5)
    assert grid.shape == (18, 5)
    assert grid[0].tolist() == [0, 1, 0, 0, 0] and grid[9].tolist() == [0, 0.5, 0, 0, 0]
    np.testing.assert_allclose(grid[1], [0, 0, 0.4, 0.4, 0], atol=1e-6)
    assert not grid[2].any()  # after the end


@pytest.mark.parametrize("tempo, metre", [(92, 4), (128, 4), (170, 4), (132, 3)])
def test_a_groove(tracker, tempo, metre):
    song = groove(tempo, 16, metre)
    beats = tracker(song)
    truth = 0.4 + 60 / tempo * np.arange(16 * metre)
    assert mir_eval.beat.f_measure(truth, beats.times) > 0.95
    near = np.abs(beats.times[:, None] - truth).min(axis=0)
    assert np.median(near) < 0.012
    assert beats.metre == metre
    assert mir_eval.beat.f_measure(truth[::metre], beats.downbeats) > 0.9


def test_what_the_user_knows(tracker):
    song = groove(120, 12)
    assert tracker(song, metre=3).metre == 3
    heard = tracker(song)
    moved = tracker(song, first_beat=0.9)  # the snare on two
    assert np.abs(moved.downbeats - 0.9).min() < 0.03
    assert (np.diff(np.flatnonzero(moved.positions == 1)) == 4).all()  # and so do all bars
    assert not set(moved.downbeats) & set(heard.downbeats)
    assert tracker(song, first_beat=float(heard.downbeats[3])) == heard
    assert 9 == tracker(song, metre=9).metre
    assert 1 == tracker(song, metre=1).metre
    with pytest.raises(ConfigError, match="metre 2.5: expected 1 to 15"):
        tracker(song, metre=2.5)
    short = Transcription([h for h in song if h.time < 3], 3.0)
    assert 15 == tracker(short, metre=15).metre  # though there is no whole bar


def test_a_known_beat_between_those_heard(tracker):
    song = groove(120, 12)
    heard = tracker(song, tempo_range=(40, 80))
    between = heard.times[4] + np.diff(heard.times)[4] / 2
    found = tracker(song, first_beat=between, tempo_range=(40, 80))
    assert np.abs(found.downbeats - between).min() < 0.03
    assert abs(np.median(np.diff(found.times)) - 1.0) < 0.02  # at half the tempo still
    assert len(found) >= len(heard) - 2


def test_a_known_beat_that_nothing_speaks_for(tracker):
    song = groove(120, 12)
    at = float(tracker(song).times[6]) + 0.22
    with pytest.warns(UserWarning, match="lies between the beats that are heard"):
        assert tracker(song, first_beat=at).tempo == pytest.approx(120, abs=1)


@pytest.mark.parametrize("apart, taken", [(20, True), (30, False), (40, True), (60, False)])
def test_beats_of_another_tempo_are_not_taken(tracker, monkeypatch, apart, taken):
    """Such as 100 a minute where 150 are heard: a wrong time may meet them."""
    heard, others = np.arange(0.3, 30, 0.4), 5 + apart * np.arange(25)
    monkeypatch.setattr(tracker, "_beats", lambda activation, tempo_range: others)
    at = others[8] / BEAT_FRAME_RATE + 0.004
    assert np.abs(heard - at).min() > 0.11  # more than a quarter of a beat
    with nullcontext() if taken else pytest.warns(UserWarning, match="lies between the beats"):
        found = tracker._through(at, np.zeros(2000, np.float32), heard, (30, 300))
    assert (len(found) == len(others)) == taken


@pytest.mark.parametrize("low, high", [(50, 100), (100, 180)])
def test_tempo_within_a_range(tracker, low, high):
    """A groove of 150 beats a minute may be one of 75."""
    hits = [Hit(k * 0.2, "hihat_closed") for k in range(200)]
    hits += [Hit(k * 0.8, "kick") for k in range(50)] + [Hit(k * 0.8 + 0.4, "snare")
                                                        for k in range(50)]
    song = Transcription(hits, 40.0)
    assert low <= tracker(song, tempo_range=(low, high)).tempo <= high


@pytest.mark.parametrize("wrong", [
    {"tempo_range": (100, 100)}, {"tempo_range": (120, 60)}, {"tempo_range": (5, 100)},
    {"metre": 0}, {"metre": 99}, {"first_beat": float("nan")},
    {"first_beat": 10.0}, {"first_beat": -0.1}])
def test_what_cannot_be_tracked_is_told(tracker, wrong):
    with pytest.raises(ConfigError):
        tracker(Transcription([Hit(0.5 * k, "kick") for k in range(20)], 10.0), **wrong)


def test_too_little_to_track(tracker):
    assert len(tracker(Transcription([], 10.0))) == 0
    assert len(tracker(Transcription([Hit(1.0, "kick")], 10.0))) == 0
    assert adt.track_beats(Transcription([], 0.0)).times.tolist() == []
    with pytest.raises(ConfigError, match="nine pieces"):
        tracker(groove(120, 4).reduce(5))


def test_long_files_have_no_seam(tracker, monkeypatch):
    song = groove(117, 40)
    whole = tracker(song)
    monkeypatch.setattr("adt.beats.tracking._WINDOW", 900)
    monkeypatch.setattr("adt.beats.tracking._OVERLAP", 500)
    parts = tracker(song)
    np.testing.assert_allclose(parts.times, whole.times, atol=0.021)
    assert parts.positions.tolist() == whole.positions.tolist()


@pytest.mark.parametrize("first, last", [(280.0, 320.0), (60.0, 320.0)])
def test_beats_go_on_through_silence(tracker, first, last):
    """Also where one window of the decoder ends in it and the next begins."""
    song = [hit for hit in groove(120, 180) if not first < hit.time < last]
    beats = tracker(Transcription(song, 361.0))
    assert np.diff(beats.times).max() < 1.0 and beats.tempo == pytest.approx(120, abs=1)
    within = (beats.times > first) & (beats.times < last)
    assert within.sum() == pytest.approx(2 * (last - first), abs=2)


def test_bars_are_cut_short_where_a_beat_was_lost():
    downbeat = np.full(98, 0.04)
    downbeat[[*range(0, 48, 4), *range(47, 98, 4)]] = 0.8
    positions = bar_positions(downbeat)
    assert positions[:47].tolist() == ([1, 2, 3, 4] * 12)[:47]
    assert positions[47:].tolist() == ([1, 2, 3, 4] * 13)[:51]


def test_bars_of_two_must_be_alike():
    # as in the demo: whether a bar has two beats or four is decided by its third
    first, third = [0.95] * 6, [0.75, 0.42, 0.65, 0.5, 0.57, 0.35]
    downbeat = np.column_stack([first, np.zeros(6), third, np.zeros(6)]).ravel()
    assert bar_positions(downbeat).tolist() == [1, 2, 3, 4] * 6
    assert bar_positions(np.tile([0.9, 0.0], 12)).tolist() == [1, 2] * 12


def test_the_same_beats_every_time(tracker):
    song = groove(101, 8)
    assert tracker(song) == tracker(song) == BeatTracker()(song)


def test_generated_parts():
    metres = set()
    for number in range(40):
        rhythm = generate(np.random.default_rng(number), 40.0)
        metres.add(rhythm.beats.metre)
        assert (np.diff(rhythm.times) >= 0).all() and rhythm.times.min() >= 0
        assert rhythm.times.max() < 40 and 50 < rhythm.beats.tempo < 230
        gaps = np.diff(rhythm.beats.positions)
        assert set(gaps[gaps != 1]) <= {1 - rhythm.beats.metre}
    assert {2, 3, 4} <= metres


def test_training_clips():
    rhythm = generate(np.random.default_rng(3), 40.0)
    target = targets(rhythm, 2000)
    assert target.shape == (2, 2000) and target.max() == 1
    assert (target[0] == 1).sum() == len(rhythm.beats)
    assert (target[1] <= target[0]).all()
    times, pieces, loud, sure = heard(rhythm, np.random.default_rng(0), CONFIG["randomise"])
    assert len(times) == len(pieces) == len(loud) == len(sure)
    assert loud.min() > 0 and loud.max() <= 1 and sure.min() > 0 and sure.max() <= 1
    clips = BeatClips([], [rhythm], CONFIG)
    a, b = (clips(np.random.default_rng(0)) for _ in range(2))
    assert all(np.array_equal(a[name], b[name]) for name in ("grid", "target"))
    bars = load_config(FOLDER / "bars.yaml")
    clip = BarClips([], [rhythm], bars)(np.random.default_rng(0))
    assert clip["features"].shape == (216, 128) and 24 <= clip["inside"].sum() <= 128
    assert not (clip["target"] * (1 - clip["inside"])).any() and clip["target"].sum() > 1


def test_strokes_by_beat():
    features = by_beat([0.99, 1.25, 1.99, 0.2, 9.0], [0, 1, 0, 2, 2], [0.5] * 5, [1] * 5,
                       [1.0, 1.5, 2.0]).reshape(12, 2, 9, 3)
    assert features[0, 0, 0].tolist() == [1, 0, 1]  # kicks on the first and third beat
    assert features[6, 1, 1].tolist() == [0.5, 0, 0]  # a snare half way after the first
    assert features.sum() == 3 * 1.5  # the others are outside


@pytest.mark.parametrize("beats", [[], [1.0]])
def test_downbeats_need_two_beats(tracker, beats):
    with pytest.raises(ValueError, match=f"{len(beats)} beats; two at least are needed"):
        tracker.downbeats([0.5], [0], [1.0], [1.0], beats)


def test_midi_songs(tmp_path):
    song = groove(100, 12)
    beats = adt.Beats(0.4 + 0.6 * np.arange(48), np.arange(48) % 4 + 1)
    Transcription(song.hits, song.duration, beats=beats).save(tmp_path / "song.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    with pytest.warns(UserWarning, match=r"broken\.mid: is left out, .*EOFError"):
        (rhythm,) = read_midi_songs(tmp_path)
    assert len(rhythm.times) == len(song)
    near = np.abs(rhythm.beats.downbeats[:, None] - beats.downbeats[:8]).min(axis=0)
    assert near.max() < 2e-3
    with pytest.raises(adt.AdtError, match="no MIDI songs"):
        read_midi_songs(tmp_path / "none")


def test_training(tmp_path):
    from adt.training import train_bars, train_beats

    (tmp_path / "midi").mkdir()
    Transcription(groove(100, 24).hits, 60, beats=adt.Beats(
        0.4 + 0.6 * np.arange(96), np.arange(96) % 4 + 1)).save(tmp_path / "midi" / "a.mid")
    (tmp_path / "groove").mkdir()
    (tmp_path / "groove" / "info.csv").write_text(
        "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,"
        "duration,split\n")
    changes = [
        "train.steps=2", "train.batch=2", "train.validate_every=2", "data.workers=0",
        "data.midi=[midi]", "data.held_out=1.0", "model.width=4", "model.dilations=[1, 2]",
        "data.shares={groove: 0, midi: 0}"]
    config = load_config(FOLDER / "beats.yaml", changes)
    beats = train_beats(config, tmp_path, tmp_path / "run", device="cpu")
    bars = train_bars(load_config(FOLDER / "bars.yaml", [
        *changes, "randomise.beats=[8, 16]"]), tmp_path, tmp_path / "bars", device="cpu")
    assert BeatNetwork(4, (1, 2)).margin == 8
    assert isinstance(BeatTracker(beats=beats, bars=bars)(groove(100, 4)), adt.Beats)
    assert adt.weights.describe(bars)["training_data"]["songs"].startswith("0 MIDI songs")


def test_what_follows_a_song_does_not_change_its_bars():
    from adt.beats.bar_network import FEATURES, BarNetwork
    torch.manual_seed(0)
    network = BarNetwork(width=8).eval()
    features = torch.rand(1, FEATURES, 24)
    padded = torch.nn.functional.pad(features, (0, 40))
    inside = (torch.arange(64) < 24)[None].float()
    with torch.inference_mode():
        alone, before = network(features)[0], network(padded, inside)[0, :24]
    np.testing.assert_allclose(before, alone, atol=1e-6)
    assert (alone - network(padded)[0, :24].detach()).abs().max() > 1e-3  # silence is heard


@pytest.mark.parametrize("bars", [16, 96, 150, 300])
@pytest.mark.parametrize("four", [False, True])
def test_a_long_song_keeps_its_metre(tracker, bars, four):
    """A backbeat, or four on the floor, that nothing but its length makes sure of."""
    beat, hits = 60 / 124, []
    for k in range(4 * bars):
        time = 0.5 + k * beat
        hits += [Hit(time + beat / 2, "hihat_open" if four else "hihat_closed", 70, 0.9)]
        hits += [Hit(time, "kick", 110, 0.9)] if four or k % 2 == 0 else []
        hits += [Hit(time, "snare", 105, 0.9)] if k % 2 else []
        hits += [] if four else [Hit(time, "hihat_closed", 89, 0.9)]
    found = tracker(Transcription(hits, 0.5 + 4 * bars * beat + 2))
    assert found.metre == 4 and set(np.diff(np.flatnonzero(found.positions == 1))) == {4}


@pytest.mark.parametrize("tempo", [40, 60, 65, 100])
def test_three_eighths_are_not_two(tracker, tempo):
    eighth, hits = 20 / tempo, []
    for k in range(12 * 24):
        hits.append(Hit(0.5 + k * eighth, "hihat_closed", 90 if k % 3 == 0 else 60))
        if k % 3 == 0:
            hits.append(Hit(0.5 + k * eighth, "snare" if k % 6 else "kick", 110))
    song = Transcription(hits, 0.5 + 12 * 24 * eighth + 1)
    assert tracker(song, metre=4, compound=True).tempo == pytest.approx(tempo, rel=0.02)


def test_a_range_of_a_tenth(tracker):
    for low in (60.0, 100.0, 120.0, 180.0):
        adt.beats.tracking.check_tempo_range((low, low + low / 10))
    hits = groove(100, 8)
    assert tracker(hits, tempo_range=[80, 120]) == tracker(hits, tempo_range=(80, 120))
    with pytest.raises(ValueError, match="two are needed"):
        adt.Beats([], []).bars(3.0)

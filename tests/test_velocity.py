"""Velocities told from levels within a song."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conftest import run_training, trained_alike
from scipy.stats import spearmanr

from adt import velocity, weights
from adt.activations import Activations
from adt.features import N_BANDS
from adt.frames import FRAME_RATE, SAMPLE_RATE
from adt.inference import Transcriber
from adt.levels import GROUPS
from adt.network import load_network
from adt.synth import stroke
from adt.training import velocity as training
from adt.vocabulary import PIECES, STEMS

SNARE, HAT = PIECES.index("snare"), PIECES.index("hihat_closed")


@pytest.fixture(scope="module")
def network():
    return load_network(velocity.VelocityNet, "velocity", "velocity", torch.device("cpu"))[0]


def song(loudness, piece=SNARE, demix=True, guess=0.6):
    """Levels and hits of strokes on one piece, one every 250 ms, with given levels in dB."""
    loudness = np.asarray(loudness, dtype=float)
    frames = 25 * len(loudness) + 50
    level = np.full((frames, 6 if demix else 1, GROUPS), -60, np.float16)
    picked = []
    for i, db in enumerate(loudness):
        at = 25 * (i + 1)
        fall = db - 1.5 * np.arange(24)
        for source in ((1, 5) if piece == SNARE else (3, 5)) if demix else (0,):
            level[at:at + 24, source] = np.maximum(fall, -60)[:, None]
        picked.append((at / FRAME_RATE, piece, guess, 0.9))
    return level, picked


def told(network, level, picked):
    return np.array([h[2] for h in velocity.refine(network, level, picked)])


@pytest.mark.parametrize("demix", [True, False], ids=["stems", "mixture"])
def test_features_are_finite_and_as_many_as_said(demix):
    level, picked = song(np.linspace(-40, 0, 9), demix=demix)
    for n in (0, 1, 2, 9):
        columns = [np.array(c) for c in zip(*picked[:n])] or [np.zeros(0)] * 4
        x = velocity.features(level, columns[0], columns[1].astype(int), *columns[2:])
        assert x.shape == (n, velocity.N_FEATURES)
        assert np.isfinite(x).all()


@pytest.mark.parametrize("demix, piece", [(True, SNARE), (True, HAT), (False, SNARE), (False, HAT)])
def test_levels_alone_make_a_crescendo(network, demix, piece):
    """The detectors' guess is the same for every stroke."""
    level, picked = song(40 * np.log10(np.linspace(20, 120, 24) / 127), piece, demix)
    velocities = told(network, level, picked)
    assert (np.diff(velocities) > 0).mean() > 0.9
    assert np.ptp(velocities) > 0.1


def test_a_crescendo_of_a_snare_is_heard_as_one():
    played = np.linspace(20, 120, 40).round().astype(int)
    audio = np.zeros(round(12.6 * SAMPLE_RATE), np.float32)
    for i, force in enumerate(played):
        at = round((0.3 + 0.3 * i) * SAMPLE_RATE)
        sound = np.atleast_2d(stroke("snare", int(force), take=i))[0][: len(audio) - at]
        audio[at:at + len(sound)] += sound
    listen = Transcriber()
    heard = listen.hits(listen.activations(audio, SAMPLE_RATE))
    found = [(round((h.time - 0.3) / 0.3), h.velocity) for h in heard if h.piece == "snare"]
    strokes, velocities = np.array(found).T
    assert len(found) > 25
    assert spearmanr(played[strokes], velocities)[0] > 0.9
    assert velocities.min() < 40 and velocities.max() > 100


def test_ghost_notes_are_softer_than_accents(network):
    level, picked = song([0, -24, -24, -24] * 6)
    velocities = told(network, level, picked).reshape(6, 4)
    assert (velocities[:, 0] > velocities[:, 1:].max(axis=1) + 0.25).all()


def test_only_velocities_are_told_anew(network):
    level, picked = song([0, -12, -6])
    assert velocity.refine(network, level, []) == []
    new = velocity.refine(network, level, picked)
    assert [(t, p, c) for t, p, _, c in new] == [(t, p, c) for t, p, _, c in picked]
    assert new == velocity.refine(network, level, picked)


def test_levels_are_kept_with_activations(tmp_path):
    zeros = np.zeros((50, len(PIECES)), np.float32)
    level, _ = song([0])
    kept = Activations(zeros, zeros, zeros, 0.5, levels=level[:50])
    kept.save(tmp_path / "a.npz")
    np.testing.assert_array_equal(Activations.load(tmp_path / "a.npz").levels, level[:50])
    Activations(zeros, zeros, zeros, 0.5).save(tmp_path / "b.npz")
    assert Activations.load(tmp_path / "b.npz").levels is None


# -- training ---------------------------------------------------------------------------

SETTINGS = {"crop_seconds": [5, 10], "alone": 0.0, "even": 0.0, "mistaken": 0.0, "mistake": 1.5,
            "wider": 0.8}


@pytest.fixture
def heard(rng):
    """Hits of two pieces, one a tenth of a second; ten times as many soft as loud ones."""
    n, levels = 400, np.zeros((4000, 6, GROUPS), np.float16)
    pieces = np.tile([SNARE, HAT], n // 2)
    played = np.where(np.arange(n) % 11 < 10, 0.2, 0.9)
    hits = np.column_stack([np.arange(n) / 10, pieces, rng.uniform(0.4, 0.6, n), np.full(n, 0.9)])
    return training.MatchedHits(levels, hits, played)


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def test_a_part_is_a_song_of_its_own(heard, rng):
    part = heard.part(rng, SETTINGS)
    assert 5 <= np.ptp(part.hits[:, 0]) + 0.2 and np.ptp(part.hits[:, 0]) < 10
    rows = np.searchsorted(heard.hits[:, 0], part.hits[:, 0])
    np.testing.assert_array_equal(part.hits, heard.hits[rows])
    np.testing.assert_array_equal(part.truth, heard.truth[rows])


def test_a_part_may_have_few_pieces_and_even_strokes(heard, rng):
    parts = [heard.part(rng, dict(SETTINGS, alone=1.0, mistake=0.0, wider=0.0)) for _ in range(40)]
    assert {len(np.unique(p.hits[:, 1])) for p in parts} == {1, 2}
    even = [heard.part(rng, dict(SETTINGS, alone=1.0, even=1.0)) for _ in range(40)]
    loud, evened = (np.mean([(p.truth > 0.5).mean() for p in ps]) for ps in (parts, even))
    assert 0.07 < loud < 0.11 and 0.14 < evened < 0.2


def test_detectors_may_be_mistaken_but_keep_the_order(heard, rng):
    before = heard.hits.copy()
    part = heard.part(rng, dict(SETTINGS, mistaken=1.0))
    np.testing.assert_array_equal(heard.hits, before)
    rows = np.searchsorted(heard.hits[:, 0], part.hits[:, 0])
    assert not np.allclose(part.hits[:, 2], before[rows, 2], atol=0.01)
    for piece in (SNARE, HAT):
        mine = part.hits[:, 1] == piece
        assert spearmanr(part.hits[mine, 2], before[rows[mine], 2])[0] > 0.999


def test_velocities_reach_as_far_as_those_played(rng):
    torch.manual_seed(0)
    member = velocity.VelocityNet(hidden=8, members=1).stems[0].eval()
    inputs = torch.randn(500, velocity.N_FEATURES)
    target = torch.from_numpy(rng.beta(0.8, 0.8, 500)).float()
    before = member(inputs)[:, 0].detach()
    training._spread(member, inputs, target)
    after, wanted = member(inputs)[:, 0].detach(), torch.logit(target, 0.02)
    assert after.mean() == pytest.approx(wanted.mean().item(), abs=1e-3)
    assert after.std() == pytest.approx(wanted.std().item(), rel=1e-3)
    assert spearmanr(before, after)[0] > 0.999


def test_hits_to_learn_from_are_picked_as_those_of_songs(monkeypatch):
    """From what the detectors say and from how the decoder judges it, as in `adt.inference`."""
    frames, given = 60, []
    rng = np.random.default_rng(0)
    said = {demix: np.clip(rng.uniform(size=(3, frames, len(PIECES))), 0.1, 0.4).astype(np.float32)
            for demix in (True, False)}
    judged = np.full((frames, len(PIECES)), 0.2, np.float32)

    def listener(mixture):
        return torch.zeros(1, len(STEMS), frames, N_BANDS), said
    listener.device = torch.device("cpu")

    def decoded(decoder, onset, level):
        given.append(onset)
        return judged

    picked = []
    monkeypatch.setattr(training, "decode", decoded)
    monkeypatch.setattr(training, "pick_hits",
                        lambda song: picked.append(song) or SimpleNamespace(hits=[]))
    clip = dict.fromkeys(("onset", "velocity", "offset", "weight"),
                         np.zeros((frames, len(PIECES)), np.float32))
    training.hear(listener, None, {"mixture": np.zeros((frames, N_BANDS), np.float32), **clip})
    for song, onset, (logits, *_) in zip(picked, given, said.values(), strict=True):
        assert song.onset is onset and np.allclose(onset, 1 / (1 + np.exp(-logits)))
        assert song.chance is judged
    assert [song.demixed for song in picked] == [True, False]


def test_train(data, untrained_models, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "FOLDER", untrained_models)

    def hear(listener, decoder, clip):
        """The strokes played are found, and heard as velocities of .5."""
        level = np.zeros((len(clip["mixture"]), 6, GROUPS), np.float16)
        frames, pieces, played, _ = training.strokes(clip)
        hits = np.column_stack([frames / FRAME_RATE, pieces, np.full((len(frames), 2), 0.5)])
        return {demix: training.MatchedHits(level if demix else level[:, -1:], hits, played)
                for demix in (True, False)}

    monkeypatch.setattr(training, "hear", hear)
    sets = ["data.accompaniment=[band]", "data.workers=0", "data.clips=4",
            "data.validation_clips=2", "randomise.clip_seconds=3.0", "model.hidden=4",
            "model.members=1", "train.steps=3", "train.batch=8", "train.crop_seconds=[1, 2]"]

    def run(out):
        return run_training("velocity", data, tmp_path / out, sets)

    assert run("first") == run("second") == 0
    _, description = trained_alike(tmp_path / "first", tmp_path / "second", "velocity")
    assert "r_stems" in description["metrics"]["validation"]

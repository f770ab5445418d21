"""Velocities told from levels within a song."""

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from adt import velocity
from adt.frames import FRAME_RATE, SAMPLE_RATE
from adt.inference import Activations, Transcriber
from adt.levels import GROUPS
from adt.network import load_network
from adt.synth import stroke
from adt.vocabulary import PIECES

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

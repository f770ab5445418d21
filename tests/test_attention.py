"""Strokes judged by attention: what the transformer reads, in which windows, and its training."""

import numpy as np
import pytest
import torch
from test_decoder import GROOVE, described, song, stump

from adt.decoder import Decoder, attention, decode
from adt.decoder.attention import StrokeTransformer, attend, in_order
from adt.decoder.description import N_FEATURES, Peaks
from adt.decoder.sound import N_SOUND
from adt.levels import GROUPS
from adt.training.attention import Window, train_attention
from adt.vocabulary import PIECES, STEMS

SMALL = {"width": 32, "hidden": 16, "layers": 2, "heads": 1, "dropout": 0.0}
SETTINGS = {"batch": 8, "peaks": 60, "learning_rate": 3e-3, "weight_decay": 0.0,
            "noise": 0.0, "deaf": 0.0, "precision": "fp32"}


@pytest.fixture
def network():
    torch.manual_seed(0)
    model = StrokeTransformer(**SMALL).eval()
    torch.nn.init.normal_(model.leave[1].weight, std=1.0)
    return model


def peaks_at(*frames, beat=50, seed=0):
    """Peaks of five stems with features drawn at random."""
    rng = np.random.default_rng(seed)
    return [Peaks(np.array(f, np.int64), np.full(len(f), 0.5),
                  rng.standard_normal((len(f), N_FEATURES)).astype(np.float32), None, beat)
            for f in frames]


SONG = peaks_at(range(0, 900, 100), range(50, 900, 100), [], range(0, 900, 25), [10])


def test_every_peak_gets_a_logit(network):
    told = attend([network], SONG)
    assert [len(t) for t in told] == [len(p.frames) for p in SONG]
    assert all(np.isfinite(t).all() for t in told) and np.concatenate(told).std() > 0.1


def test_no_peaks_no_logits(network):
    assert [len(t) for t in attend([network], peaks_at([], [], [], [], []))] == [0] * 5


def test_peaks_in_the_order_of_their_time():
    order, frames, features = in_order(SONG)
    assert (np.diff(frames) >= 0).all()
    every = np.concatenate([p.features for p in SONG])
    np.testing.assert_array_equal(features, every[order])


def test_of_time_only_differences_count(network):
    later = [p._replace(frames=p.frames + 1234) for p in SONG]
    np.testing.assert_allclose(np.concatenate(attend([network], later)),
                               np.concatenate(attend([network], SONG)), atol=1e-3)


@pytest.mark.parametrize("other", [
    [p._replace(frames=p.frames * 2) for p in SONG], [p._replace(beat=70) for p in SONG]],
    ids=["seconds", "beats"])
def test_distances_matter(network, other):
    before, after = (np.concatenate(attend([network], peaks)) for peaks in (SONG, other))
    assert np.abs(before - after).max() > 0.01


def test_long_songs_are_read_in_windows(network):
    """A peak hears 48 s around it at most; no peak is left out."""
    far = peaks_at(range(0, 20_000, 50), [], [7000], [], [])
    told = attend([network], far)
    assert (told[0] != 0).all() and (told[2] != 0).all()
    changed = far[0].features.copy()
    changed[-1] += 3.0  # at 199.5 s
    again = attend([network], [far[0]._replace(features=changed), *far[1:]])
    differs = np.flatnonzero(told[0] != again[0])
    assert differs[-1] == len(told[0]) - 1
    assert far[0].frames[differs[0]] >= far[0].frames[-1] - attention._WINDOW


def test_a_gap_longer_than_a_window(network):
    told = attend([network], peaks_at([0, 50, 30_000, 30_050], [], [], [], []))
    assert (told[0] != 0).all()


def test_padding_changes_nothing(network):
    _, frames, features = in_order(SONG)
    n, more = len(frames), 13
    x = torch.zeros(1, n + more, N_FEATURES)
    at = torch.zeros(1, n + more)
    x[0, :n], at[0, :n] = torch.from_numpy(features), torch.from_numpy(frames)
    with torch.inference_mode():
        told = network(x, at, torch.tensor([50.0]), torch.arange(n + more)[None] < n)
        alone = network(x[:, :n], at[:, :n], torch.tensor([50.0]), torch.ones(1, n).bool())
    torch.testing.assert_close(told[:, :n], alone, atol=1e-4, rtol=0)


def test_a_window_without_sound(network):
    _, frames, features = in_order(SONG)
    other = features.copy()
    other[:, -N_SOUND:] += 1.0
    at, present = torch.from_numpy(frames)[None].float(), torch.ones(1, len(frames)).bool()
    for heard, same in ((0.0, True), (1.0, False)):
        told, changed = (network(torch.from_numpy(x)[None], at, torch.tensor([50.0]), present,
                                 torch.tensor([heard])) for x in (features, other))
        assert torch.equal(told, changed) is same


def test_members_are_averaged(network):
    torch.manual_seed(1)
    other = StrokeTransformer(**SMALL).eval()
    one, two, both = (np.concatenate(attend(m, SONG))
                      for m in ([network], [other], [network, other]))
    np.testing.assert_allclose(both, (one + two) / 2, atol=1e-5)


def test_a_head_needs_channels_for_all_periods():
    with pytest.raises(ValueError, match="24"):
        StrokeTransformer(width=32, heads=2)


def test_the_decoder_believes_the_mean_of_trees_and_transformers():
    onset = song(*GROOVE)
    level = np.full((len(onset), len(STEMS) + 1, GROUPS), -60, np.float16)
    trees = stump(0, 0.0, 3.0, 3.0)
    both = Decoder({"trees": 1, "nodes": 3}, {"trees": 1, "nodes": 3}, {"members": 1, **SMALL})
    both.load_state_dict(trees.state_dict(), strict=False)
    for member in both.attention["stems"]:
        torch.nn.init.zeros_(member.leave[1].weight)
        torch.nn.init.constant_(member.leave[1].bias, -3.0)
    at = [p.frames for p in described(onset)]
    assert decode(trees, onset, level)[at[0], 0] == pytest.approx(1 / (1 + np.exp(-3.0)))
    assert decode(both, onset, level)[at[0], 0] == pytest.approx(0.5)
    onset = song(("tom_high", np.arange(50, 1150, 100), 0.8))
    told = decode(both, onset, level)[np.arange(50, 1150, 100), PIECES.index("tom_high")]
    assert told == pytest.approx(1 / (1 + np.exp(-1.5)))  # on toms they count a quarter


def test_it_learns_what_only_the_others_tell():
    """A stroke is what comes half a second after a peak whose first feature is positive."""
    rng, windows = np.random.default_rng(0), []
    for _ in range(200):
        features = rng.standard_normal((20, N_FEATURES)).astype(np.float16)
        strokes = np.r_[False, features[:-1, 0] > 0]
        weight = np.r_[0.0, np.ones(19)]
        windows.append(Window(features, np.arange(20) * 50, strokes, weight, 50))
    model = StrokeTransformer(**SMALL)
    loss = train_attention(model, windows, {**SETTINGS, "steps": 400}, 0, torch.device("cpu"))
    assert loss < 0.35  # of chance: .69


def test_the_same_seed_the_same_weights():
    rng = np.random.default_rng(0)
    windows = [Window(rng.standard_normal((n, N_FEATURES)).astype(np.float16), np.arange(n) * 10,
                      rng.random(n) < 0.5, np.ones(n), 50) for n in (0, 3, 8, 90)]

    def trained():
        torch.manual_seed(5)
        model = StrokeTransformer(**SMALL)
        train_attention(model, windows, {**SETTINGS, "steps": 5, "deaf": 0.5, "noise": 0.1}, 3,
                        torch.device("cpu"))
        return model.state_dict()

    first, second = trained(), trained()
    assert all(torch.equal(first[name], second[name]) for name in first)

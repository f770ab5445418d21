"""The decoder: how peaks are described and judged, and its training."""

import shutil

import numpy as np
import pytest
import torch
from conftest import SMALL_ATTENTION, run_training, trained_alike

from adt import weights
from adt.decoder import Decoder, decode, decoder, description
from adt.decoder.cymbals import N_CYMBALS
from adt.decoder.description import FAINTEST, N_FEATURES, describe
from adt.decoder.trees import Trees
from adt.errors import ConfigError
from adt.levels import GROUPS
from adt.training import decoder as training
from adt.vocabulary import PIECES, STEM_TO_PIECES, STEMS

FRAMES = 1200
SOURCES = len(STEMS) + 1


def column(piece):
    return PIECES.index(piece)


def song(*parts, frames=FRAMES):
    """Onset activations of (piece, frames, height) parts: peaks three frames wide."""
    onset = np.zeros((frames, len(PIECES)), np.float32)
    for piece, at, height in parts:
        for shift, share in ((-1, 0.4), (1, 0.4), (0, 1.0)):
            onset[np.asarray(at) + shift, column(piece)] = np.asarray(height) * share
    return onset


def quiet(onset, sources=SOURCES):
    """Levels of nothing at all."""
    return np.full((len(onset), sources, GROUPS), -60, np.float16)


def described(onset):
    return describe(onset, quiet(onset))


GROOVE = (("kick", np.arange(50, 1150, 100), 0.8), ("snare", np.arange(100, 1150, 100), 0.8),
          ("hihat_closed", np.arange(50, 1150, 25), 0.1))


def stump(feature, threshold, low, high, crash=(0, 0.0, 0.0, 0.0)):
    """A decoder of one tree with two leaves, for stems and mixture alike; the same for cymbals."""
    stump = {"trees": 1, "nodes": 3}
    network = Decoder(stump, stump)
    for part, (i, edge, *values) in (("strokes", (feature, threshold, low, high)),
                                     ("cymbals", crash)):
        for trees in getattr(network, part).values():
            for name, row in (("feature", [i, 0, 0]), ("threshold", [edge, 0, 0]),
                              ("left", [1, 1, 2]), ("right", [2, 1, 2]), ("value", [0, *values])):
                getattr(trees, name).copy_(torch.tensor([row]))
    return network


# -- description ----------------------------------------------------------------------


def test_every_peak_is_described():
    peaks = described(song(*GROOVE))
    assert [len(p.frames) for p in peaks] == [11, 11, 0, 44, 0]
    for (frames, chances, features, *_), (_, at, height) in zip(
            (peaks[0], peaks[1], peaks[3]), GROOVE):
        assert frames.tolist() == at.tolist()
        np.testing.assert_allclose(chances, height, rtol=1e-6)
        assert features.shape == (len(at), N_FEATURES) and np.isfinite(features).all()


def test_small_peaks_are_none():
    onset = song(("kick", [100], FAINTEST * 0.9), ("kick", [200], FAINTEST * 1.1))
    assert described(onset)[0].frames.tolist() == [200]


def test_the_beat_is_found():
    onset = song(*GROOVE)
    total = np.minimum(1, onset).sum(axis=1)
    assert description.find_lags(total) == [25, 50, 100, 200]


def test_what_keeps_time_is_told_from_what_does_not():
    """The same heights, in time and out of it, are described differently where time counts."""
    rng = np.random.default_rng(0)
    at = np.arange(50, 1150, 25)
    loose = np.sort(rng.choice(np.arange(50, 1150, 8), len(at), replace=False))
    steady = described(song(*GROOVE[:2], ("hihat_closed", at, 0.1)))[3].features
    random = described(song(*GROOVE[:2], ("hihat_closed", loose, 0.1)))[3].features
    repeated = slice(12, 28)
    assert steady[10:-10, repeated].mean() > random[10:-10, repeated].mean() + 0.5


def test_company_by_hand():
    """Two hats with a kick, two alone."""
    near = np.zeros((4, len(STEMS)))
    near[:2, 0] = 0.9
    mean, count, difference = description._company(near, 3, np.array([1.0, 3.0, -1.0, -2.0]))
    assert mean.tolist() == [3, 1, -2, -1]
    np.testing.assert_allclose(count, np.log(2))
    assert difference.tolist() == [-2, 2, 1, -1]


@pytest.mark.parametrize("frames", [0, 1, 2, 5, 30])
def test_short_songs(frames):
    onset = np.random.default_rng(0).random((frames, len(PIECES))).astype(np.float32)
    out = decode(stump(0, 0.0, -1, 1), onset, quiet(onset))
    assert out.shape == onset.shape and np.isfinite(out).all()


# -- judging --------------------------------------------------------------------------


@pytest.mark.parametrize("sources", [SOURCES, 1])
def test_peaks_become_as_high_as_they_are_likely(sources):
    onset = song(*GROOVE)
    # feature 0 is the logit of the height
    out = decode(stump(0, 0.0, -3.0, 2.0), onset, quiet(onset, sources))
    chance = 1 / (1 + np.exp([3.0, -2.0]))
    for piece, at, height in GROOVE:
        np.testing.assert_allclose(out[at, column(piece)], chance[int(height > 0.5)], rtol=1e-5)
    assert out[:, column("crash")].max() == 0


def test_a_stem_that_hardly_convinced_stays_unconvincing(monkeypatch):
    """Wherever in the song its surest strokes are, and whatever the trees say."""
    monkeypatch.setattr(decoder, "_SONG", 1000)
    network = Decoder({"trees": 1, "nodes": 1}, {"trees": 1, "nodes": 1})
    for kind in decoder.KINDS:
        network.strokes[kind].value.fill_(5.0)  # every peak is a stroke
    onset = np.zeros((3000, 9), np.float32)
    kick, snare, hat = (column(piece) for piece in ("kick", "snare", "hihat_closed"))
    onset[50::50, snare] = onset[75::50, kick] = 0.4
    onset[75::50, hat] = np.linspace(0.2, 0.4, len(onset[75::50]))
    onset[[125, 2975], kick] = onset[2975, hat] = 0.6
    level = np.zeros((3000, 6, GROUPS), np.float32)
    judged = decode(network, onset, level)
    assert judged[75::50, kick].min() > 0.9  # two of them are convincing
    assert 0.3 < judged[50::50, snare].min() and judged[50::50, snare].max() < 0.5
    hats = judged[75::50, hat]
    np.testing.assert_allclose(hats[:-1], hats[:-1].max(), rtol=1e-5)
    assert 0.3 < hats[0] < 0.4 and hats[-1] > 0.9  # one alone may be right, but vouches for none
    onset[200:, snare] = 0  # three of them may be strokes
    assert decode(network, onset, level)[50:200:50, snare].min() > 0.9


def test_two_pieces_struck_at_once_keep_their_shares():
    onset = song(("tom_high", [300], 0.3), ("tom_floor", [300], 0.6))
    out = decode(stump(0, 9.0, 0.0, 0.0), onset, quiet(onset))
    np.testing.assert_allclose(out[300, [column("tom_high"), column("tom_floor")]],
                               [1 / 6, 1 / 3], rtol=1e-5)


def test_rides_are_told_from_crashes():
    """By the trees, whatever the detector says; but not where it is sure of both."""
    onset = song(("ride", [300], 0.3), ("crash", [300], 0.6), ("ride", [600, 900], 0.9),
                 ("crash", [900], 0.8))
    crashes = stump(0, 9.0, 2.0, 2.0, crash=(N_FEATURES, 0.0, 3.0, -3.0))  # what it calls a ride
    out = decode(crashes, onset, quiet(onset))[:, [column("ride"), column("crash")]]
    sure, likely = 1 / (1 + np.exp(-2)), 1 / (1 + np.exp(-3))
    np.testing.assert_allclose(out[300], [sure * likely, sure * (1 - likely)], rtol=1e-5)
    np.testing.assert_allclose(out[600], [sure * (1 - likely), sure * likely], rtol=1e-5)
    np.testing.assert_allclose(out[900], [0.9 * sure, 0.8 * sure], rtol=1e-5)


def test_cymbals_are_described_by_how_the_song_divides_them():
    """One doubtful stroke among rides, and one in the place of crashes."""
    rides, crashes = np.arange(100, 1100, 25), np.array([100, 500, 900])
    onset = song(("ride", rides, 0.6), ("crash", rides, 0.2), ("crash", crashes, 0.9))
    peaks = described(onset)[STEMS.index("cymbals")]
    assert peaks.division.shape == (len(rides), N_CYMBALS) and np.isfinite(peaks.division).all()
    odds = peaks.division[:, 0]
    expected = np.where(np.isin(rides, crashes), np.log(0.901 / 0.601), np.log(0.201 / 0.601))
    np.testing.assert_allclose(odds, expected, rtol=1e-4)
    np.testing.assert_allclose(peaks.division[:, 5], 3 * 1.0 / (37 * 0.8 + 3), rtol=1e-4)
    assert all(p.division is None for p in described(onset)[:-1])


def test_long_songs_are_judged_in_parts(monkeypatch):
    assert decoder.songs(np.zeros((29_000, 9))) == [slice(0, 29_000)]
    parts = decoder.songs(np.zeros((720_000, 9)))
    assert parts[0].start == 0 and parts[-1].stop == 720_000
    assert all(a.stop == b.start for a, b in zip(parts, parts[1:]))
    assert max(p.stop - p.start for p in parts) < 31_000
    onset = song(*GROOVE)
    whole = decode(stump(0, 0.0, -1, 1), onset, quiet(onset))
    monkeypatch.setattr(decoder, "_SONG", 500)
    assert len(decoder.songs(onset)) == 3
    np.testing.assert_allclose(decode(stump(0, 0.0, -1, 1), onset, quiet(onset)), whole, atol=1e-6)


def test_silence_and_certainty_are_taken():
    onset = np.zeros((50, len(PIECES)), np.float32)
    assert not decode(stump(0, 0.0, -1, 1), onset, quiet(onset)).any()
    onset[10] = 1.0
    out = decode(stump(0, 0.0, -1, 1), onset, quiet(onset))
    assert np.isfinite(out).all() and (out >= 0).all() and (out <= 1).all()


# -- training -------------------------------------------------------------------------

UNSETTLE = {"chance": 1.0, "scaled": 0.0, "scale": [-0.4, 0.4], "uneven": 0.0, "drift": 0.0,
            "confuse": 0.0, "confuse_share": 0.6, "leak": 0.0, "leak_share": 0.8, "level_db": 0.0,
            "colour_db": 0.0}


def peaks(piece, frames=400, every=50, height=2.0):
    logits = np.full((frames, len(PIECES)), -9.0, np.float32)
    logits[::every, column(piece)] = height
    return logits


def unsettle(logits, seed, **settings):
    return training.unsettle(logits, quiet(logits), np.random.default_rng(seed),
                             {**UNSETTLE, **settings})[0]


def test_without_settings_nothing_is_unsettled():
    logits = peaks("kick")
    level = np.random.default_rng(0).uniform(-50, 0, (400, len(STEMS) + 1, GROUPS))
    ours, ours_level = training.unsettle(logits, level, np.random.default_rng(0), UNSETTLE)
    np.testing.assert_allclose(ours, logits, atol=1e-5)
    np.testing.assert_allclose(ours_level, level, atol=1e-3)


def test_sound_goes_where_strokes_are_heard():
    """Confused strokes take their sound with them, leaking ones leave it; gains are constant."""
    level = np.full((400, len(STEMS) + 1, GROUPS), -60.0)
    hats = STEMS.index("hihat")
    level[::50, hats] = 0.0
    moved = leaked = 0
    for seed in range(40):
        logits = peaks("hihat_closed")
        heard, out = training.unsettle(logits, level, np.random.default_rng(seed),
                                       {**UNSETTLE, "confuse": 1.0})
        power, total = 10 ** (out / 10), 10 ** (level / 10)
        np.testing.assert_allclose(power[:, :-1].sum(axis=1), total[:, :-1].sum(axis=1),
                                   rtol=1e-3, atol=1e-5)
        moved += bool((out[::50, hats] < -0.1).any() and (out[::50, :-1] > -20).sum() > 8 * GROUPS)
        heard, out = training.unsettle(logits, level, np.random.default_rng(seed),
                                       {**UNSETTLE, "leak": 1.0})
        np.testing.assert_allclose(out[::50, hats], 0, atol=1e-3)
        leaked += bool((out[::50, :-1] > -40).sum() > 8 * GROUPS)
    assert moved > 2 and leaked > 5
    _, out = training.unsettle(logits, level, np.random.default_rng(0),
                               {**UNSETTLE, "level_db": 3.0, "colour_db": 2.0})
    gains = out - level
    np.testing.assert_allclose(gains, np.broadcast_to(gains[:1], gains.shape), atol=0.01)
    assert gains[0].std() > 1


def test_peaks_are_raised_or_lowered_and_silence_stays():
    logits, heights = peaks("kick"), []
    for seed in range(20):
        out = unsettle(logits, seed, scaled=1.0)
        assert (out[logits < -6] == -9).all()
        struck = out[::50, column("kick")]
        assert np.ptp(struck) < 1e-4  # all strokes of the song alike
        heights.append(struck[0])
    assert min(heights) < 1.0 and max(heights) > 3.0
    for setting in ({"drift": 0.3}, {"uneven": 1.0}):
        out = unsettle(logits, 0, scaled=1.0, **setting)
        assert np.ptp(out[::50, column("kick")]) > 0.1


def test_strokes_leak_to_where_they_were_played():
    found = set()
    for seed in range(40):
        out = unsettle(peaks("snare"), seed, leak=1.0)
        for piece in range(len(PIECES)):
            if piece != column("snare"):
                high = np.flatnonzero(out[:, piece] > -3)
                assert set(high % 50) <= {0}
                if len(high):
                    found.add(piece)
    assert len(found) > 3


def test_confused_strokes_move():
    changed = 0
    for seed in range(40):
        out = unsettle(peaks("hihat_closed"), seed, confuse=1.0)
        own = out[::50, column("hihat_closed")]
        if (own < 2 - 1e-3).any():  # it was the hi-hat's turn
            changed += 1
            other = out[::50, [column(p) for p in STEM_TO_PIECES["cymbals"]]].max(axis=1)
            total = 1 / (1 + np.exp(-own)) + 1 / (1 + np.exp(-other))
            np.testing.assert_allclose(total, 1 / (1 + np.exp(-2)), atol=2e-3)
    assert changed > 2


def test_peaks_near_strokes_are_right():
    played = np.array([[100.4, column("kick"), 0.5, 1.0], [203.0, column("kick"), 0.5, 0.8],
                       [300.0, column("snare"), 0.5, 1.0], [400.0, column("kick"), 0.5, 1.0]])
    struck, weight = training._found(np.array([100, 200, 300, 390]), 0, played)
    assert struck.tolist() == [column("kick"), column("kick"), -1, -1]
    assert weight.tolist() == [1.0, 0.8, 1.0, 1.0]


def test_trees_are_the_ones_that_were_grown(monkeypatch):
    """Exported trees give the chances of scikit-learn's, to the last leaf."""
    import sklearn.ensemble

    rng = np.random.default_rng(0)
    x = np.round(rng.standard_normal((3000, N_FEATURES)), 1).astype(np.float32)  # many ties
    y = x[:, 0] + 0.5 * x[:, 1] * x[:, 2] + 0.3 * rng.standard_normal(3000) > 0
    kept = []
    real = sklearn.ensemble.HistGradientBoostingClassifier

    class Kept(real):
        def fit(self, *arguments):
            kept.append(self)
            return super().fit(*arguments)

    monkeypatch.setattr(sklearn.ensemble, "HistGradientBoostingClassifier", Kept)
    settings = {"max_iter": 20, "max_leaf_nodes": 15, "max_depth": 8, "min_samples_leaf": 20,
                "max_features": 0.4, "learning_rate": 0.1, "l2_regularization": 1.0}
    trees = Trees(trees=40, nodes=29)
    for member in (0, 1):
        table = training.Table(x[member::2], y[member::2], np.ones(len(y) // 2))
        training.grow(trees, member, table, settings, seed=0)
    ours = trees(x)
    np.testing.assert_allclose(ours, np.mean([k.decision_function(x) for k in kept], axis=0),
                               atol=1e-5)
    assert np.ptp(ours) > 2
    assert trees(np.zeros((0, N_FEATURES), np.float32)).shape == (0,)


def test_trees_end_where_a_walk_ends():
    """Of uneven trees, one of them a leaf alone, with nodes that none of them reaches."""
    nothing = (0, 0, 0, 0, 0)
    nodes = [  # feature, threshold, left, right, value
        [(2, 0.5, 1, 2, 0), (0, 0, 1, 1, 1), (1, -0.5, 3, 4, 0), (0, 0, 3, 3, 20),
         (0, 0, 4, 4, 300)],
        [(0, 0, 0, 0, 7), *4 * [nothing]],
        [(1, 0, 1, 2, 0), (1, 0, 1, 1, -5), (0, 0, 2, 2, 5), (1, 0, 0, 0, 0), nothing]]
    trees = Trees(trees=3, nodes=5)
    for name, values in zip(("feature", "threshold", "left", "right", "value"),
                            torch.tensor(nodes, dtype=torch.float32).unbind(-1)):
        getattr(trees, name).copy_(values)
    trees.base.fill_(0.25)
    x = np.array([[9, 0, 0.5], [9, -0.5, 0.6], [9, 0.1, 0.6]], np.float32)
    assert trees(x).tolist() == [1 + 7 - 5 + 0.25, 20 + 7 - 5 + 0.25, 300 + 7 + 5 + 0.25]


def test_thresholds_are_written_in_single_precision(tmp_path):
    trees = Trees(trees=2, nodes=3)
    thresholds = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    trees.threshold.copy_(torch.from_numpy(thresholds))
    weights.save_weights(tmp_path / "w.safetensors", trees.state_dict(), {"kind": "trees"})
    loaded, _ = weights.load_weights(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(loaded["threshold"].numpy(), thresholds)


def test_trees_of_more_leaves_than_bits_are_refused():
    with pytest.raises(ConfigError, match="31"):
        Trees(trees=1, nodes=63)


@pytest.fixture
def doubtful_models(untrained_models, tmp_path):
    """The same, but that activations are small: they have peaks."""
    folder = shutil.copytree(untrained_models, tmp_path / "models")
    for name in ("detectors", "detectors_mixture"):
        tensors, described = weights.load_weights(folder / f"{name}.safetensors")
        tensors["heads.bias"] -= 2.0
        weights.save_weights(folder / f"{name}.safetensors", tensors, described)
    return folder


def test_train(data, doubtful_models, monkeypatch, tmp_path):
    monkeypatch.setattr(weights, "FOLDER", doubtful_models)
    sets = [
        "data.accompaniment=[band]", "data.real=none", "data.workers=0", "data.songs=null",
        "data.validation_clips=2", "data.percussion=null", "data.clips=6", "louder.clips=2",
        "randomise.clip_seconds=3.0", "randomise.level=0", "train.seconds=[2.9, 3]",
        "train.members=1", "attention.members=1", "attention.steps=3", "attention.windows=1",
        "attention.precision=fp32", *(f"attention.model.{name}={value}"
                                      for name, value in SMALL_ATTENTION.items()),
        *(f"{part}.{setting}" for part in ("model", "cymbals")
          for setting in ("max_iter=3", "min_samples_leaf=2", "max_leaf_nodes=4"))]

    def run(out):
        return run_training("decoder", data, tmp_path / out, sets)

    assert run("first") == run("second") == 0
    ours, description = trained_alike(tmp_path / "first", tmp_path / "second", "decoder")
    assert "f9_renders" in description["metrics"]["validation"]
    with np.load(tmp_path / "first" / "heard.npz") as kept:
        assert kept["frames"].tolist() == [300] * 8
    # what was heard is kept, and read again
    before = (tmp_path / "first" / "heard.npz").stat().st_mtime_ns
    assert run("first") == 0
    assert (tmp_path / "first" / "heard.npz").stat().st_mtime_ns == before
    # but not with settings that would let other things be heard
    assert run_training("decoder", data, tmp_path / "first", [*sets, "train.seed=9"]) == 1
    again, _ = weights.load_weights(tmp_path / "first" / "decoder.safetensors")
    assert all(torch.equal(ours[name], again[name]) for name in ours)
    # the trees of other weights can be kept; then only the transformers are trained
    sets += [f"trees={doubtful_models / 'decoder.safetensors'}", "attention.steps=4"]
    assert run("first") == 0
    kept, _ = weights.load_weights(tmp_path / "first" / "decoder.safetensors")
    theirs, _ = weights.load_weights("decoder")
    for name, tensor in kept.items():
        assert torch.equal(tensor, theirs[name]) is not name.startswith("attention")

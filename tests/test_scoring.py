"""Scores against mir_eval itself, worked numbers, bad inputs, bootstrap."""

import warnings

import mir_eval
import numpy as np
import pytest

from adt import scoring
from adt.vocabulary import class_names


def random_track(seed, n=60):
    rng = np.random.default_rng(seed)
    names = class_names(5)
    reference = {c: np.sort(rng.uniform(0, 20, n)) for c in names}
    estimate = {c: np.sort(np.concatenate([
        (reference[c] + rng.normal(0, 0.03, n))[rng.random(n) < 0.8],
        rng.uniform(0, 20, 5)])).clip(0) for c in names}
    return reference, estimate


def same_as_mir_eval(reference, estimate, window):
    """Whether each class has mir_eval's F, precision and recall, 0 where ours is None."""
    result = scoring.evaluate(reference, estimate, 5, window)
    return all(
        [result[name][key] or 0 for key in ("f_measure", "precision", "recall")]
        == pytest.approx(mir_eval.onset.f_measure(reference[name], estimate[name], window=window),
                         abs=1e-12)
        for name in class_names(5))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window", [0.05, 0.02])
def test_each_class_agrees_with_mir_eval(seed, window):
    assert same_as_mir_eval(*random_track(seed), window)


def crowded_onsets(rng, grid, near=()):
    """Few onsets or none, some twice; most of them at the windows' borders around others."""
    if rng.random() < 0.15:
        return np.zeros(0)
    times = rng.uniform(0, 3, rng.integers(0, 12))
    if len(near):
        shifts = rng.choice([-0.05, -0.02, 0, 0.02, 0.05], 8)
        times = np.concatenate([times, np.abs(rng.choice(near, 8) + shifts)])
    times = np.round(times / grid) * grid
    return np.sort(np.concatenate([times, times[rng.random(len(times)) < 0.2]]))


@pytest.mark.filterwarnings("ignore:.* empty", "ignore:.* no onsets")
@pytest.mark.parametrize("grid", [1e-9, 0.01, 0.05])
def test_crowded_classes_agree_with_mir_eval(grid):
    rng = np.random.default_rng(0)
    seen = set()
    for _ in range(60):
        reference = {c: crowded_onsets(rng, grid) for c in class_names(5)}
        estimate = {c: crowded_onsets(rng, grid, reference[c]) for c in class_names(5)}
        assert all(same_as_mir_eval(reference, estimate, window) for window in (0.05, 0.02))
        for ours, theirs in ((reference[c], estimate[c]) for c in class_names(5)):
            distances = np.abs(np.subtract.outer(ours, theirs))
            seen.update(case for case, here in {
                "neither": not len(ours) and not len(theirs),
                "no reference": not len(ours) and len(theirs),
                "no estimate": len(ours) and not len(theirs),
                "both twice": (np.diff(ours) == 0).any() and (np.diff(theirs) == 0).any(),
                "at the border": np.isclose(distances, 0.05, atol=1e-12).any()}.items() if here)
    assert len(seen) == 5


@pytest.mark.parametrize("window", [0.05, 0.02])
def test_border_of_the_window_is_that_of_mir_eval(window):
    """However it rounds: one onset after the other, a window apart and a trifle more or less."""
    for start in np.arange(0, 4, 0.02):
        reference = dict.fromkeys(class_names(5), np.array([start]))
        estimate = {c: start + np.array([window + shift]) for c, shift in zip(
            class_names(5), (0, 1e-17, 1e-16, 1e-9, -1e-9))}
        assert same_as_mir_eval(reference, estimate, window)
        counts = scoring.match(reference, estimate, 5, window)
        assert [counts[c][0] for c in class_names(5)[-2:]] == [0, 1]


def test_golden_pooled_score():
    reference = {"KD": [0.0, 1.0, 2.0], "SD": [0.5, 1.5], "CY": [0.0]}
    estimate = {"KD": [0.04, 1.06, 2.0], "SD": [0.5], "HH": [0.25]}
    result = scoring.evaluate(reference, estimate, 5, 0.05)
    # KD 2 of 3 with one false, SD 1 of 2, CY missed, HH invented, TT absent
    assert (result["SUM"]["tp"], result["SUM"]["fp"], result["SUM"]["fn"]) == (3, 2, 3)
    assert result["SUM"]["f_measure"] == pytest.approx(6 / 11, abs=1e-12)
    assert result["SUM"]["precision"] == pytest.approx(3 / 5, abs=1e-12)
    assert result["SUM"]["recall"] == pytest.approx(3 / 6, abs=1e-12)
    assert result["KD"]["f_measure"] == pytest.approx(2 / 3, abs=1e-12)
    assert result["TT"]["f_measure"] is None
    assert result["HH"]["f_measure"] == 0 and result["HH"]["recall"] is None
    assert result["CY"]["f_measure"] == 0 and result["CY"]["precision"] is None


def test_perfect_and_empty():
    times = {"KD": np.arange(5.0)}
    assert scoring.evaluate(times, times)["SUM"]["f_measure"] == 1
    with pytest.warns(UserWarning, match="has no onsets"):
        assert scoring.evaluate({}, {})["SUM"]["f_measure"] is None


def test_events_reduce_and_sort():
    times = [1.0, 0.0, 0.01, 0.02, 0.5]
    pieces = ["ride", "crash", "ride_bell", "side_stick", 5]
    five = scoring.events(times, pieces, 5)
    assert five["CY"].tolist() == [0.0, 0.01, 1.0]
    assert five["SD"].tolist() == [0.02] and five["HH"].tolist() == [0.5]
    assert five["KD"].size == 0 and set(five) == set(class_names(5))
    assert set(scoring.events(times, pieces, 3)) == {"KD", "SD", "HH"}


@pytest.mark.parametrize("times, pieces, message", [
    ([0.0], [], "1 times but 0 pieces"),
    ([0.0], ["tambourine"], "unknown piece 'tambourine'"),
    ([0.0], [99], "no piece with index 99"), ([0.0], [1.7], "no piece with index 1.7"),
    ([0.0], [None], "no piece with index None"),
])
def test_events_bad_input(times, pieces, message):
    with pytest.raises(ValueError, match=message):
        scoring.events(times, pieces)


@pytest.mark.parametrize("bad, message", [
    ({"kick": [0.0]}, "no class 'kick'"),
    ({"KD": [[0.0, 1.0]]}, "1-D"),
    ({"KD": ["a"]}, "1-D array of numbers"),
    ({"KD": [0.0, np.nan]}, "not all finite"),
    ({"KD": [-0.1]}, "before the start"),
    ({"KD": [1.0, 0.0]}, "not ascending"),
    ([0.0, 1.0], "expected a mapping"),
])
@pytest.mark.parametrize("side", ["reference", "estimate"])
def test_validate_bad_input(bad, message, side):
    good = {"KD": [0.0]}
    pair = (bad, good) if side == "reference" else (good, bad)
    for function in (scoring.validate, scoring.evaluate, scoring.f_measure):
        with pytest.raises(ValueError, match=f"{side}.*{message}"):
            function(*pair)


@pytest.mark.parametrize("pair, message", [
    (({}, {"KD": [0.0]}), "reference has no onsets"),
    (({"KD": [0.0]}, {"KD": []}), "estimate has no onsets"),
])
def test_validate_warns(pair, message):
    with pytest.warns(UserWarning, match=message):
        scoring.validate(*pair)


def make_scores(n=6, worse=False):
    scores = scoring.Scores(5)
    for seed in range(n):
        reference, estimate = random_track(seed)
        if worse:
            estimate = {c: t[::2] for c, t in estimate.items()}
        scores.update(f"track{seed}", reference, estimate)
    return scores


def test_accumulator_pools_counts():
    scores = make_scores()
    result = scores(n_resamples=50)
    assert list(result) == [0.05, 0.02]
    total = np.zeros(3)
    for seed in range(6):
        one = scoring.evaluate(*random_track(seed), 5, 0.05)["SUM"]
        counts = [one["tp"], one["fp"], one["fn"]]
        track = result[0.05]["tracks"][f"track{seed}"]
        assert [track["tp"], track["fp"], track["fn"]] == counts
        assert "interval" not in track
        total += counts
    pooled = result[0.05]["SUM"]
    assert pooled["f_measure"] == pytest.approx(2 * total[0] / (2 * total[0] + total[1:].sum()))
    assert pooled["interval"][0] <= pooled["f_measure"] <= pooled["interval"][1]
    scores.reset()
    assert scores.names == [] and scores()[0.05]["SUM"]["f_measure"] is None


def test_accumulator_same_name_adds_up_and_is_silent():
    scores = scoring.Scores(5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores.update("a", {"KD": [0.0]}, {"KD": [0.0]})
        scores.update("a", {"KD": [1.0]}, {})
    assert scores()[0.05]["tracks"]["a"]["fn"] == 1
    assert scores()[0.05]["SUM"]["interval"] is None  # a single track


def test_bootstrap_is_deterministic():
    counts = make_scores().counts(0.02)
    first = scoring.bootstrap_interval(counts)
    assert first == scoring.bootstrap_interval(counts)
    assert first != scoring.bootstrap_interval(counts, seed=1)
    assert first[0] < first[1]
    assert scoring.bootstrap_interval(counts[:1]) is None
    assert scoring.bootstrap_interval(np.zeros((4, 3))) is None


def test_bootstrap_covers_the_mean_of_equal_tracks():
    assert scoring.bootstrap_interval(np.tile([8, 2, 2], (5, 1))) == [0.8, 0.8]


def test_paired_bootstrap():
    better, worse = make_scores(), make_scores(worse=True)
    result = better.compare(worse)
    assert result == better.compare(worse)
    assert 0 < result["interval"][0] < result["difference"] < result["interval"][1]
    same = better.compare(make_scores())
    assert same["difference"] == 0 and same["interval"] == [0, 0]
    with pytest.raises(ValueError, match="same tracks"):
        better.compare(make_scores(3))
    with pytest.raises(ValueError, match="cannot be paired"):
        scoring.paired_bootstrap(np.zeros((2, 3)), np.zeros((3, 3)))


@pytest.mark.parametrize("window", [-1, float("nan"), float("inf")])
def test_windows_that_are_no_time(window):
    with pytest.raises(ValueError, match="tolerance"):
        scoring.evaluate({"KD": [1.0]}, {"KD": [1.0]}, window=window)
    with pytest.raises(ValueError, match="tolerance"):
        scoring.Scores(5, [window]).update("a", {"KD": [1.0]}, {"KD": [1.0]})


def test_unknown_window():
    with pytest.raises(ValueError, match="no window of 0.1 s"):
        make_scores(1).counts(0.1)


def test_unknown_class():
    with pytest.raises(ValueError, match="no class 'XX' here; there are"):
        make_scores(1).counts(0.05, "XX")
    with pytest.raises(ValueError, match="choose one of"):
        scoring.evaluate({"KD": [1.0]}, {"KD": [1.0]}, [5])


def test_module_examples():
    import doctest
    assert doctest.testmod(scoring).failed == 0


@pytest.mark.parametrize("times", [[1.0, np.nan], [np.inf, 1.0], [[1.0], [2.0]]])
def test_times_that_are_none(times):
    with pytest.raises(ValueError, match="expected finite seconds"):
        scoring.events(times, ["kick", "kick"])

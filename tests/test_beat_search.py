"""The beats' model searched beat by beat finds what madmom_infer finds frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
from madmom_infer.features.downbeats import DBNDownBeatTrackingProcessor

from adt.beats.search import BeatModel


@pytest.fixture(scope="module")
def processor():
    return DBNDownBeatTrackingProcessor(beats_per_bar=[1], min_bpm=50, max_bpm=215,
                                        num_tempi=None, transition_lambda=100, fps=50)


def observations(frames: int, seed: int) -> np.ndarray:
    """Noise, and peaks whose distance changes half way."""
    rng = np.random.default_rng(seed)
    beat = 0.05 + 0.1 * rng.random(frames)
    for part, distance in zip(np.array_split(np.arange(frames), 2), rng.integers(14, 60, 2)):
        beat[part[rng.integers(distance)::distance]] = rng.uniform(0.3, 0.95)
    return np.stack([np.full(frames, 1e-7), beat], axis=1)


@pytest.mark.parametrize("frames", [20, 59, 60, 61, 75, 400, 1000])
def test_the_same_path(processor, frames):
    model, = processor.hmms
    quick = BeatModel(model)
    for seed in range(3):
        heard = observations(frames, seed)
        path, chance = model.viterbi(heard)
        found, best = quick.viterbi(heard)
        np.testing.assert_array_equal(found, path)
        assert best == pytest.approx(chance)


@pytest.mark.parametrize("frames", [1, 2, 13])
def test_paths_of_a_few_frames_are_as_likely(processor, frames):
    """Several are equally likely: any of them will do."""
    model, = processor.hmms
    heard = observations(frames, 0)
    path, chance = BeatModel(model).viterbi(heard)
    assert len(path) == frames
    assert chance == pytest.approx(model.viterbi(heard)[1])
    assert (np.diff(path.astype(int)) == 1).sum() >= frames - 2, "one beat ends at most"

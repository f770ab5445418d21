"""Training of the networks. Never imported by inference.

Functions are imported when first used: `adt train` lists its options without torch.
"""

from __future__ import annotations

from importlib import import_module

#: Function → module that it lives in.
_LIVES_IN = {
    "train_bank": "bank", "train_detectors": "detectors", "train_joint": "joint",
    "train_decoder": "decoder", "train_velocity": "velocity", "train_beats": "beats",
    "train_bars": "bars", "average_weights": "averaging", "check_begun": "loop",
    "measure_ranges": "ranges",
}

__all__ = sorted(_LIVES_IN)


def __getattr__(name: str):
    if name not in _LIVES_IN:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LIVES_IN[name]}", __name__), name)

CHECKPOINT = "checkpoint.pt"  #: what a training step by step goes on from
HEARD = "heard.npz"  #: what the training of a decoder goes on from

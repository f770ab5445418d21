"""Training of the networks. Never imported by inference.

Functions are imported when first used: `adt train` lists its options without torch.
"""

from __future__ import annotations

__all__ = ["average_weights", "train_bank", "train_bars", "train_beats", "train_decoder",
           "train_detectors", "train_joint", "train_velocity"]


def __getattr__(name: str):
    if name == "average_weights":
        from .averaging import average_weights
        return average_weights
    if name == "train_bank":
        from .bank import train_bank
        return train_bank
    if name == "train_detectors":
        from .detectors import train_detectors
        return train_detectors
    if name == "train_joint":
        from .joint import train_joint
        return train_joint
    if name == "train_decoder":
        from .decoder import train_decoder
        return train_decoder
    if name == "train_velocity":
        from .velocity import train_velocity
        return train_velocity
    if name == "train_bars":
        from .bars import train_bars
        return train_bars
    if name == "train_beats":
        from .beats import train_beats
        return train_beats
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

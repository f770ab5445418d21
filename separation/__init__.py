"""Drum source separation: a bank of parallel U-Nets that isolates five stems.

`separate` and `separate_file` are the way in; `Separator` is the bank with its STFT,
`UNetBank` the network alone.
"""

from __future__ import annotations

__all__ = ["RESIDUAL", "Separator", "UNetBank", "WIENER", "separate", "separate_file"]

#: Exponent of the Wiener step. The bank's masks are blurred where it does not know a kit: on
#: renders of Groove's validation split, 3 is better than 2 (no step) in the means of SDR, SI-SDR,
#: nSDR, leakage and attacks kept.
WIENER = 3.0

RESIDUAL = "residual"  #: name of what is not drums, beside the stems


def __getattr__(name: str):
    if name in ("Separator", "separate", "separate_file"):
        from . import separator
        return getattr(separator, name)
    if name == "UNetBank":
        from .bank import UNetBank
        return UNetBank
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

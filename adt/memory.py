"""Memory that is free again goes back to the system."""

from __future__ import annotations

import sys
from contextlib import suppress


def give_back() -> None:
    """Let glibc, which keeps what was freed for itself, give it back; no other library needs it.

    Between the stages of long work: what one stage has freed is in pieces that do not suit the
    next one.
    """
    if sys.platform == "linux":
        import ctypes
        with suppress(OSError, AttributeError):  # another C library
            ctypes.CDLL(None).malloc_trim(0)

"""Errors meant for people: what is wrong, with which file, and what to do.

The CLI prints the message of an `AdtError` on one line and exits with 1;
anything else that escapes is a bug.
"""

from __future__ import annotations


class AdtError(Exception):
    """Base of every error that this package raises on purpose."""


class AudioError(AdtError):
    """An input cannot be read as audio."""


class OutputError(AdtError):
    """A result cannot be written where it was asked for."""


class ConfigError(AdtError, ValueError):
    """An option or a configuration value is not usable."""


class WeightsError(AdtError):
    """A weights file is missing, damaged or of the wrong kind."""


class DataError(AdtError):
    """A data set or kit does not have the expected layout."""

"""Benchmarks: one module that runs for each table of the README.

``python -m benchmarks.transcription``, ``benchmarks.separation`` and
``benchmarks.speed`` measure; ``python -m benchmarks.all`` runs them all.
"""

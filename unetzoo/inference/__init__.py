"""Prediction on files without torch; the distribution ``unetzoo-runtime`` is this folder."""

"""Readers of data sets: each gives a lazy `Samples` (clustseg.samples) of one split."""

"""Readers of data sets: each gives a lazy `Samples` (clustseg.data.samples) of one split."""

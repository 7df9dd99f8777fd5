"""Tuners of keras-tuner over training settings and over architectures."""

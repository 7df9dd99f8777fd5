"""Baselines, random networks, tuners and the statistics of comparisons."""

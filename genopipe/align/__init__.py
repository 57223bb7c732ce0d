"""Reads to a sorted, duplicate-marked, indexed BAM; and the seed index of a reference."""

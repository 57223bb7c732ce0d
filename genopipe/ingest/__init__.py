"""Reads as they come from the sequencer: checked, measured and described before anything is made of them.

`measure.measure_fastq` is the way in: it reads the lanes of a sample, lets `counting` count every base, and hands the measures to `report`,
which draws them with `plots`.
"""

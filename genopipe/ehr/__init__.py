"""Archived files as records in an EHR: pointers only, never the data, never names."""

"""The lossless archive: files in, content-addressed objects and one manifest each, the same bytes out."""

"""Networks made of several: cascades, hybrids of 2D and 3D, auto-encoders of segmentations."""

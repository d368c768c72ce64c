"""Names of noise that several jobs must draw alike."""

# Of the β scans, and of the reference's samples that gains are counted from.
SCAN = "beta scan"

"""One thread a test process: two of them share the cores, and threads that fight are far slower."""

import os

os.environ["OMP_NUM_THREADS"] = "1"

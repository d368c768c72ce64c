"""Words that the study's tables share."""

# What a data cell is known by, beside its seeds.
GROUPS = ["shift", "tau", "n"]
# The method under which the true reward itself is scanned: no learner can be above it.
ORACLE = "oracle"

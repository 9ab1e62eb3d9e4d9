"""What studies share: arms, stages to cells, scoring, tests, thresholds, external sets."""

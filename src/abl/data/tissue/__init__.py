"""The tissue in an ultrasound frame: found, reported, cut to."""

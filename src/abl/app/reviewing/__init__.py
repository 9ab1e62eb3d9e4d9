"""The review loop: a page of the images to look at, and the answers as a corrected data set."""

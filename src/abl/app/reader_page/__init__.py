"""`abl readers page`: test images for readers who know neither label nor network."""

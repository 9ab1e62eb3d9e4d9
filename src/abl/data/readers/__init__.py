"""What readers said of images, from tables as people write them."""

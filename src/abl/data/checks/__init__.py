"""What is wrong with images, what they hold, and what would tell the label by itself."""

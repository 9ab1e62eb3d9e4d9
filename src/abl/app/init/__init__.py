"""What `abl init` does: from a folder of images as it comes to a manifest and a sweep file."""

"""What test predictions of many trainings say of the images: which are classified wrongly again and
again, how surely, and which labels to look at first.
"""

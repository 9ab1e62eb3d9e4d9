"""Pages on which people look at a sweep's images and answer: what `abl review` and
`abl readers page` share.
"""

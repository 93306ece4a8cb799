"""What texts mean: encoders, segmentation, vector and lexical indexes.

It sees integer slots and texts; business words are unknown to it.
"""

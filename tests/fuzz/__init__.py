"""Broken input on purpose: mutated media, pipelines and masks, and every file of a folder of awkward ones.

``python -m tests.fuzz`` says how to run the long versions; the short ones are tests.
"""

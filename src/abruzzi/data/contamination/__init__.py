"""Contamination: does a training set hold a benchmark's items, and how would one know?"""

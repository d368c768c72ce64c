"""Shared fixtures: a tiny random model of the real architecture class."""

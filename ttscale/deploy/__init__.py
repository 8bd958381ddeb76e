"""Deployment: the wrapped model."""

"""Test-time compute against training compute."""

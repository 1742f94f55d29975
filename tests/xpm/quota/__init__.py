"""Tests of XPM's quota as our workers share it."""

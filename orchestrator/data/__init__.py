"""The data sets on disk: samples, videos, leaks, checks, downloads."""

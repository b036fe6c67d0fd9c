"""The container image: how it is built, and what lies in it."""

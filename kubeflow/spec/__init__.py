"""What is done to the spec that TFX compiles, one small step a module."""

"""What a run will take in hours and money, before anybody pays for it."""

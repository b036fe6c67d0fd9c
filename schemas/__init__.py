"""The data contracts between the rooms. Imports nothing of ours."""

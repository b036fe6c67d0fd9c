"""What the stock Tuner node runs: a search for the recipe with the lowest WER on the dev split."""

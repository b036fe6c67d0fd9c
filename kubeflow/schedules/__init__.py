"""Runs without anybody's hand: by the clock, for a past date, or because there is new data.

`service.py` says what a scheduling service can do; `vertex.py` and `pipelines.py` are the two that
there are, each through its own client library. All else here is above them and knows neither.
"""

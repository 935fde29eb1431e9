"""Benchmarks: seeded requests go to something that answers, and what came of them is counted.

`workload` says what is asked, `target` what answers, `closed_loop` sends, `summary` counts, `report` shows.
"""

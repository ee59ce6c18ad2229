"""Scenarios in MLPerf's words beside single-stream: what was asked, fresh processes in turns, the search of a rate.

Statistics of what they found live in `reports`; the rounds of single-stream are those of `measure.rounds`.
"""

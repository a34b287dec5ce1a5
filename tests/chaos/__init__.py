"""Disturbances, and what must come of each: ``python -m tests.chaos``. The fast ones are tests, too (test_chaos.py).

One rule stands behind the whole table: a disturbed run ends with the answers, the selection and the results CSV of a
calm one, or it stops with a message that says what to do and ends so once that was done. Never a difference without a
word, nothing left running, no temporary files.
"""

"""What is promised of `common`, file by file.

`strategies` makes messages, good and bad, out of the struct definitions; `complete` makes
handlers out of the protocol table; each `test_X` holds the promises of `common/X.py`.
"""

"""Bad input of every kind: frames, messages, records, journals, files, options.

What is promised is always the same. Nothing crashes, hangs or grows: what cannot be taken is
answered or dropped as the protocol says, and whatever a person gave is refused in one sentence.
"""

"""One charge's story out of the programs' logs.

In reading order: `lines` what a log holds · `story` which lines belong to one charge, in order ·
`tell` how they are told.
"""

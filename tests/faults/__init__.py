"""What dies, and what then: real programs killed, paused and cut off at work.

Reading order:

- `network`: the programs, with a proxy in each connection between them
- `moments`: the moments of a charge, and how each is held open until something has died in it
- `victims`: what can die, how it comes back, and what is seen meanwhile
- `test_moments`: everything dies at every moment
- `test_pairs`: two at once
- `test_links`: half-open, one-way, slow and cut links
- `test_disasters`: an empty broker, a full disk, a database away for a while
"""

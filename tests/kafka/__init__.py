"""A real Apache Kafka for the tests, found or started wherever they run.

Reading order:

- `ports`: free ports that stay free
- `broker`: what a test may do with a broker; settings that all of ours share
- `jars`: a broker from Kafka's own jars, on a JDK, by Maven
- `docker`: a broker in a container
- `find`: which of these it is going to be, and how to install what is missing
- `wipe`: makes a broker look new

The fixtures are in `tests/conftest.py`. `python -m tests.kafka` starts a broker by hand.
"""

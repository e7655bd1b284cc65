"""What an operator does with charge points that speak OCPP.

In reading order: `cli` the commands and their options · `ordering` calls to charge points ·
`id_tags` who may charge there · `tables` how lists look · `frames` what goes over the wire, read
from Kafka · `trace` the same as Open OCPP Trace records.
"""

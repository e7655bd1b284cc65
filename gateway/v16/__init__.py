"""OCPP 1.6: what its frames carry. Another version is another folder. In reading order.

`words` its enumerations · `types` texts, times, decimals · `core` `control` `smart_charging`
`upkeep` `security` the payloads by profile · `messages` all of them · `actions` the table of who
says what · `violations` what is wrong with a payload · `payloads` JSON to structs and back ·
`lenient` the same for charge points that do not keep to the schemas · `meter` and `translate` from
and to the network's messages.
"""

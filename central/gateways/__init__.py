"""Charge points that speak OCPP, behind gateways: what they report, ask, and are told to do."""

"""Bulk data of realistic shape: the demo's own histories, copied many times over by COPY.

Each request of the demo went through the door; `generate` copies its whole graph of rows (events,
case, plan, tests, billing, notices ...) into other agencies, groups and times. What is made so is
legal by construction, follows every change of the models by itself, and passes `verify`.
"""

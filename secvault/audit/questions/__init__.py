"""The questions that auditors ask, with the columns that each answer needs.

They ship with the product, are asked of the log alone, and each can also be handed to the exporter
as the `Question` that it rests on. Start at `shipped.SHIPPED`.
"""

"""The live panel.

In reading order: `board` what the panel knows, without a screen · `columns` how a line looks ·
`point_list` the list, of which only what is visible is drawn · `summary` what stands above it ·
`dialogs` questions, and details of a point · `feed` what central tells · `orders` what the keys
order · `app` the keys, and all of it wired.
"""

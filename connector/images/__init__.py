"""Turns items of the API into records, whose values every warehouse can store. Pure: no files, no sockets, no clock.

May import `connector.tables`, `connector.wire`, the standard library, orjson and pyarrow; never api, listing,
warehouse, runs or dlt.

item: an element of `Response.List`, as its JSON was decoded.
field: a value of an item under the API's own name. `fields.Field` says how a field is parsed into its column.
record: an image as typed values, in the order of the columns (`records.Record`).
rejected value: a value that does not fit its column, kept as JSON (`records.Rejected`). The column gets null, or a text
that can be stored. An item without a usable ImageID is a rejected value as a whole.
extra: the fields of an item that no column takes, as one JSON object.
row hash: the hash of an image's typed fields. Another hash makes a new version of the image.
"""

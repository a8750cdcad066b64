"""Reads a moving list whole with Limit and Offset: the sweeps, and the proof that they missed nothing.

This wing knows neither the API's client nor dlt nor the warehouse: the wing imports `connector.errors`,
`connector.wire` and its own modules. All requests go through a `RemoteList`.

The argument
------------
The server has no cursor. If a row is deleted while we read, all later rows shift to a lower offset, and the row at the
page boundary is never shown. So pages overlap, and each seam between two pages has to close. By induction, after page n
every row whose sort value lies before page n's last value has been read. Page n+1 has to hold a row of page n from
strictly before that value. The list being sorted, page n+1 then holds everything from that row to its own end, whole
groups of equal values included. It does not matter in which order the pages were asked for.

A group of equal values that is as long as a page has no such row inside. Such a group is proven by its size, or by a
stable order of its own rows (`ties`). The end of the list is believed once the list's other end, in one answer, shows
no row that was not read. A list that the server cuts short is read from both ends, until the passes meet (`full`).
Where the order proves nothing, the list is read in parts by ImageID, which no row enters or leaves by moving (`parts`).

TotalCount alone never proves a sweep complete, but TotalCount can refute the proof. If TotalCount was the same in every
answer, as many rows have to be read; if TotalCount fell and came back, the list is read again.

What no reader can see from outside, and is therefore assumed, is in docs/guarantees.md.

The words
---------
list        what an action of the API gives, `TotalCount` rows long, and changing while we read.
page        one answer to one request for rows of a list. Nothing else is called a page.
read        to ask for a list's pages. Items are parsed, and tables are queried.
sweep       all that is read of a list for one purpose: full, or incremental by ScanTime. Leaves an `Outcome`.
pass        one walk over a list from its first page to its end. A sweep takes one pass or several.
tail        the last page of a pass whose seam has closed.
overlap     the rows that a page is meant to share with the page before it.
seam        the place between two pages. A seam closes if the later page holds a row of the earlier page from strictly
            before the earlier page's last sort value.
bridge      a page that is read again from further back, to close a seam that did not close.
tie         a group of rows with equal sort values. A wide tie is as long as a page.
part        the images whose ids begin with one of a few texts, in one answer.
other end   the first rows of the same list in the opposite order.
cap         the rows that a server gives at once, where that is less than we ask for.
evidence    what a pass has shown. `Proof` is what makes a sweep complete, and a `Reason` says why it is not.
watermark   the newest ScanTime that a complete run has seen. An incremental sweep reads down to it.
look-up     a request for images by their ids, between two ids that must come back.
"""

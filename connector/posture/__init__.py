"""Shows the fleet's posture to people: `tcss report` writes a file, and `tcss dashboard` serves a notebook.

May import settings, tables, errors and `connector.warehouse`; no module here imports api, listing, runs or dlt itself.
`rendering` alone imports Jinja, and `server` alone imports marimo.

question: a sentence and the SQL that answers it, as data (`questions.Question`).
filter: a condition that narrows a question, such as one account.
queries: the questions' SELECTs on one warehouse, and the answers so far (`queries.Queries`).
answer: the rows that a query gives.
part: a template and the values that the template shows (`rendering.Part`).
section: a part that answers one question.
details: which vulnerabilities each image has; their questions are asked where a sync was asked for details.
drill-down: what is shown of one image or one vulnerability.
document: parts in a row, as HTML. The report is a whole document; a fragment is set into the notebook's.
"""

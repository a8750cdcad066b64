"""Shows the fleet's posture to people: `tcss report` writes a file, and `tcss dashboard` serves a notebook.

May import settings, tables, errors and `connector.warehouse`. No module here imports api, listing, runs or dlt itself;
only `rendering` imports Jinja, and only `server` imports marimo.

question: a sentence and the SQL that answers it, as data (`questions.Question`).
filter: a condition that narrows a question, such as one account.
queries: the questions' SELECTs on one warehouse, and the answers so far (`queries.Queries`).
answer: the rows that a query gives.
part: a template and the values that the template shows (`rendering.Part`).
section: a part that answers one question.
details: which vulnerabilities each image has. Their questions are asked if the warehouse has tables of details.
drill-down: what is shown of one image or one vulnerability.
document: parts in a row, as HTML. The report is a whole document; a fragment is set into the notebook's.
"""

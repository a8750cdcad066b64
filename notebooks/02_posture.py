# /// script
# requires-python = ">=3.11"
#
# [tool.marimo.display]
# theme = "system"
# ///
"""The fleet's posture, with filters: what `tcss dashboard` serves."""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="full", app_title="TCSS security posture")


@app.cell
def _():
    from functools import partial

    import marimo as mo

    from connector.errors import TcssError
    from connector.posture import answers, document, drilldowns, findings, formats, rankings
    from connector.posture.queries import Queries
    from connector.posture.questions import CHOICES, FIND, RISK, STALE

    return (
        CHOICES,
        FIND,
        RISK,
        Queries,
        STALE,
        TcssError,
        answers,
        document,
        drilldowns,
        findings,
        formats,
        mo,
        partial,
        rankings,
    )


@app.cell
def _(CHOICES, Queries, TcssError, document, mo):
    # TCSS_DESTINATION and TCSS_DATASET say which warehouse. Answers are kept until the page is loaded again.
    try:
        queries = Queries.open()
        choices = queries.ask(CHOICES)
        mo.stop(not choices, mo.Html(document.fragment(document.body(queries, {}))))
        linked = document.linked(queries, mo.query_params())
        mo.stop(bool(linked), linked and mo.Html(document.fragment(linked)))
    except TcssError as error:
        mo.stop(True, mo.Html(document.fragment(document.problem(error))))
    return choices, queries


@app.cell
def _(choices, formats, mo, queries):
    def choice(label, column, shown=None, chosen=None):
        """Every value of the column, and how many images have it. The column `shown` has what a value is called."""
        counts, called = {}, {}
        for row in choices:
            counts[row[column]] = counts.get(row[column], 0) + row["images"]
            called[row[column]] = row[shown or column] or "(none)"
        if chosen and chosen not in counts:  # an account without images
            counts[chosen], called[chosen] = 0, queries.account(chosen)
        options = {f"{formats.isolated(called[value])} ({n:,})": value for value, n in sorted(counts.items())}
        first = next((text for text, value in options.items() if value == chosen), "all")
        return mo.ui.dropdown({"all": None, **options}, value=first, label=label)

    account = choice("Account", "account_id", "account", queries.of_account().get("account"))
    registry = choice("Registry", "registry")
    system = choice("OS", "os")
    used = mo.ui.dropdown({"all": None, "in use": "yes", "not in use": "no"}, value="all", label="Images")
    mo.Html(f'<div class="tcss-filters">{account}{registry}{system}{used}</div>')
    return account, registry, system, used


@app.cell
def _(account, registry, system, used):
    chosen = {"account": account.value, "registry": registry.value, "os": system.value, "used": used.value}
    filters = {name: value for name, value in chosen.items() if value is not None}
    return (filters,)


@app.cell
def _(answers, document, filters, mo, queries):
    mo.Html(document.fragment(document.body(queries, filters, [answers.fleet])))
    return


@app.cell
def _(answers, document, filters, mo, queries):
    mo.Html(document.fragment(document.sections(queries, filters, [answers.trend])))
    return


@app.cell
def _(answers, document, drilldowns, filters, findings, mo, partial, queries, rankings):
    risk, unscanned, stale = (
        partial(ranking, links=rankings.linked_apart) for ranking in (rankings.risk, rankings.unscanned, rankings.stale)
    )
    exploitable = partial(findings.exploitable, links=drilldowns.vulnerabilities_apart)
    details = [findings.coverage, exploitable, findings.upgrades]
    rest = [risk, *details, unscanned, answers.systems, answers.coverage, rankings.failures, stale]
    mo.Html(document.fragment(document.sections(queries, filters, rest)))
    return


@app.cell
def _(mo):
    wanted = mo.ui.text(label="Find an image", placeholder="part of its name, or its id", full_width=True)
    wanted
    return (wanted,)


@app.cell
def _(FIND, RISK, STALE, document, drilldowns, filters, mo, queries, wanted):
    if text := wanted.value.strip():
        pattern = "%" + "".join(f"|{c}" if c in "|%_" else c for c in text) + "%"
        found = queries.ask(FIND, {"text": text, "pattern": pattern})
    else:
        found = queries.ask(RISK, filters) + queries.ask(STALE, filters)
    images = drilldowns.choices(found)
    cut = text and found and found[0]["matching"] > len(found)
    label = f"{len(found)} of {found[0]['matching']:,} images: write more of the name" if cut else "Image"
    image = mo.ui.dropdown(images, value=next(iter(images), None), label=label, full_width=True)
    none = document.note("No image has this text in its name, or as its id." if text else "No image to offer.")
    image if images else mo.Html(document.fragment([none]))
    return (image,)


@app.cell
def _(document, image, mo, queries):
    mo.Html(document.fragment(document.image(queries, *image.value) if image.value else []))
    return


if __name__ == "__main__":
    app.run()

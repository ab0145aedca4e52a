"""Documents as PDF: typeset by typst from data, so that nothing typed is taken for markup."""

import json
from typing import Any

import typst

PAGE = """
#set document(title: data.title, author: "Throughline")
#set page(paper: "us-letter", margin: 2.2cm, footer: context [
  #set text(8pt, fill: luma(90))
  #data.reference #h(1fr) #counter(page).display("1 / 1", both: true)
])
#set text(lang: "en", size: 10pt)
#set heading(numbering: none)
= #data.title
#grid(columns: (auto, 1fr), column-gutter: 1em, row-gutter: .6em,
  ..data.facts.map(pair => (text(fill: luma(90), pair.at(0)), pair.at(1))).flatten())
#for part in data.parts [
  == #part.at(0)
  #part.at(1)
]
#if data.rows.len() > 0 [
  == #data.table
  #table(
    columns: (1fr, auto, auto, auto, auto),
    align: (left, right, left, right, right),
    stroke: .4pt + luma(190),
    table.header(..data.head.map(h => strong(h))),
    ..data.rows.flatten()
  )
]
#grid(columns: (1fr, auto), row-gutter: .5em,
  ..data.totals.map(pair => (align(right, pair.at(0)), strong(pair.at(1)))).flatten())
"""
HEAD = ["Description", "Quantity", "Unit", "Rate", "Amount"]


def render(data: dict[str, Any]) -> bytes:
    """Typeset a document; texts arrive as data and are never read as markup."""
    source = "#let data = json(bytes(sys.inputs.data))\n" + PAGE
    return typst.compile(
        source.encode(),
        format="pdf",
        sys_inputs={"data": json.dumps(data)},
        pdf_standards=["ua-1"],
    )

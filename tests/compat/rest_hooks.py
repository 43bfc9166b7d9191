"""What no schema can say of a well-formed question, put right before schemathesis asks it: a cursor is signed and belongs to
one listing, a query is JQL, and a span ends after it begins. Questions that are meant to be wrong go out as they are."""

import itertools
import os
from urllib.parse import urljoin

import requests
import schemathesis

QUERIES = itertools.cycle([
    "project = ACME",
    "assignee is EMPTY AND updated > -7d ORDER BY priority",
    'summary ~ "the bell" OR labels in (urgent, "a b")',
    "statusCategory != Done ORDER BY created DESC, key",
])
SPANS = ["created", "updated", "resolved", "due"]


@schemathesis.hook
def before_call(context, case, kwargs):
    query = case.query
    if not (case.meta and case.meta.generation.mode.is_positive and query):
        return
    for span in SPANS:
        if f"{span}_from" in query:
            query.pop(f"{span}_before", None)
    if "jql" in query:
        query["jql"] = next(QUERIES)
    if "cursor" in query:
        del query["cursor"]
        if cursor := first_cursor(case):
            query["cursor"] = cursor


def first_cursor(case):
    """The cursor of the same question's second page, if it has one."""
    url = urljoin(case.operation.base_url or "", case.formatted_path)
    key = {"Authorization": os.environ["AUTHORIZATION"]}
    page = requests.get(url, params={**case.query, "limit": 1}, headers=key, timeout=20)
    return page.json().get("next") if page.ok else None

"""Two Python clients work with the simulated Jira as with the real one: list, search, read, edit, comment, transition.

Each walk uses one client in one version of the API. What a client did is looked up again without it.
"""

import sys
from importlib.metadata import version

import requests
from atlassian import Jira as AtlassianJira
from atlassian.jira import JiraCloud
from jira import JIRA

EMAIL, TOKEN = "mirror@example.com", "simulated-token"
EVERYTHING = "created >= '2000-01-01' ORDER BY key ASC"
PAGE = 40


class Site:
    """The site as plain HTTP shows it: what the clients' words are held against."""

    def __init__(self, address):
        self.address = address

    def get(self, path, **params):
        answer = requests.get(f"{self.address}/rest/api/3/{path}", params=params, auth=(EMAIL, TOKEN), timeout=30)
        answer.raise_for_status()
        return answer.json()

    def issues(self):
        """Every issue by its key, in the order of EVERYTHING."""
        found, token = {}, None
        while True:
            ask = {"jql": EVERYTHING, "fields": "summary,status", "maxResults": 100}
            page = self.get("search/jql", **ask, **({"nextPageToken": token} if token else {}))
            found |= {issue["key"]: issue["fields"] for issue in page["issues"]}
            token = page.get("nextPageToken")
            if not token:
                return found


def document(words):
    paragraph = {"type": "paragraph", "content": [{"type": "text", "text": words}]}
    return {"type": "doc", "version": 1, "content": [paragraph]}


class WithJira:
    """The client `jira`, which speaks version 2 unless told otherwise."""

    def __init__(self, address, api):
        self.name = f"jira {version('jira')}, API {api}"
        self.api = api
        self.client = JIRA(address, options={"rest_api_version": str(api)}, basic_auth=(EMAIL, TOKEN), max_retries=0)

    def projects(self):
        assert self.client.deploymentType == "Cloud"
        return {project.key for project in self.client.projects()}

    def page(self, token):
        ask = {"maxResults": PAGE, "fields": "summary", "json_result": True}
        return self.client.enhanced_search_issues(EVERYTHING, nextPageToken=token, **ask)

    def search(self):
        return [issue.key for issue in self.client.search_issues(EVERYTHING, maxResults=False, fields="summary")]

    def read(self, key):
        fields = self.client.issue(key).fields
        return fields.summary, fields.status.name

    def edit(self, key, summary):
        self.client.issue(key).update(summary=summary)  # follows the issue's own link

    def comment(self, key, words):
        return self.client.add_comment(key, words if self.api == 2 else document(words)).id

    def comments(self, key):
        return {comment.id: comment.raw["body"] for comment in self.client.comments(key)}

    def transition(self, key):
        way = self.client.transitions(key)[0]
        self.client.transition_issue(key, way["name"])
        return way["to"]["name"]


class WithAtlassian:
    """The client `atlassian-python-api`, in the class it has for Jira Cloud."""

    def __init__(self, address, api):
        self.name = f"atlassian-python-api {version('atlassian-python-api')}, API {api}"
        self.api = api
        self.client = JiraCloud(address, username=EMAIL, password=TOKEN, api_version=api)

    def projects(self):
        at_once = {project["key"] for project in self.client.get_all_projects()}
        assert at_once == {project["key"] for project in self.client.search_projects()["values"]}
        return at_once

    def page(self, token):
        return self.client.enhanced_jql(EVERYTHING, fields=["summary"], nextPageToken=token, limit=PAGE)

    def search(self):
        return [issue["key"] for issue in self.client.enhanced_jql_get_list_of_tickets(EVERYTHING, fields="summary")]

    def read(self, key):
        fields = self.client.get_issue(key)["fields"]
        return fields["summary"], fields["status"]["name"]

    def edit(self, key, summary):
        self.client.edit_issue(key, data={"fields": {"summary": summary}})

    def comment(self, key, words):
        return self.client.add_comment(key, data={"body": words if self.api == 2 else document(words)})["id"]

    def comments(self, key):
        return {comment["id"]: comment["body"] for comment in self.client.get_comments(key)["comments"]}

    def transition(self, key):
        way = self.client.get_transitions(key)["transitions"][0]
        self.client.do_transition(key, data={"transition": {"id": way["id"]}})
        return way["to"]["name"]


class WithAtlassianAsBefore(WithAtlassian):
    """The same in the class it has always had, which speaks version 2 but for searches."""

    def __init__(self, address):
        self.name = f"atlassian-python-api {version('atlassian-python-api')}, class Jira"
        self.api = 2
        self.client = AtlassianJira(address, username=EMAIL, password=TOKEN, cloud=True)

    def projects(self):
        return {project["key"] for project in self.client.projects()}

    def read(self, key):
        fields = self.client.issue(key)["fields"]
        return fields["summary"], fields["status"]["name"]

    def edit(self, key, summary):
        self.client.update_issue_field(key, {"summary": summary})

    def comment(self, key, words):
        return self.client.issue_add_comment(key, words)["id"]

    def comments(self, key):
        return {comment["id"]: comment["body"] for comment in self.client.issue_get_comments(key)["comments"]}

    def transition(self, key):
        to = self.client.get_issue_transitions(key)[0]["to"]
        self.client.set_issue_status(key, to)
        return to


def by_cursor(client):
    """The keys of each page, following the tokens."""
    pages, token = [], None
    while True:
        page = client.page(token)
        pages.append([issue["key"] for issue in page["issues"]])
        token = page.get("nextPageToken")
        if not token:
            return pages


def walk(site, client, key):
    """Everything a client is expected to do, on an issue nobody else touches."""
    issues = site.issues()
    before = issues[key]
    assert client.projects() == {project["key"] for project in site.get("project/search")["values"]}

    pages = by_cursor(client)
    assert [len(page) for page in pages[:-1]] == [PAGE] * (len(pages) - 1) and len(pages) > 2
    assert [found for page in pages for found in page] == list(issues)
    assert client.search() == list(issues)

    assert client.read(key) == (before["summary"], before["status"]["name"])

    summary = f"Edited by {client.name}"
    client.edit(key, summary)
    assert site.get(f"issue/{key}")["fields"]["summary"] == summary

    words = f"Written by {client.name}."
    made = client.comment(key, words)
    assert client.comments(key)[made] == (words if client.api == 2 else document(words))
    assert site.get(f"issue/{key}/comment/{made}")["body"] == document(words)

    status = client.transition(key)
    assert status != before["status"]["name"]
    assert site.get(f"issue/{key}")["fields"]["status"]["name"] == status
    assert client.read(key) == (summary, status)


def main():
    site = Site(sys.argv[1])
    clients = [WithJira(site.address, 2), WithJira(site.address, 3)]
    clients += [WithAtlassian(site.address, 2), WithAtlassian(site.address, 3), WithAtlassianAsBefore(site.address)]
    for client, key in zip(clients, site.issues()):
        walk(site, client, key)
        print(f"{client.name}: projects, search, read, edit, comment, transition", file=sys.stderr)


if __name__ == "__main__":
    main()

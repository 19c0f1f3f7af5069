"""What schemathesis does before it sends a request, and how it reads answers of rare kinds."""

import base64
import itertools
import json
import os
import random
import re

import schemathesis
from schemathesis.specs.openapi import _auth_retry

# The test's own login: were it taken away, everything after it would be answered 401 and nothing be tested.
OWN = {"user": os.environ["STAGEBOX_USER"], "token": os.environ["STAGEBOX_TOKEN_ID"]}
NOBODY = {"user": "usr_00000000000000000000", "token": "tok_00000000000000000000"}
ADDRESSES = random.Random(1)
NUMBERS = itertools.count()
KEY = re.compile(r'"[ !#-\[\]-~]{1,255}"|[A-Za-z0-9._~:+/=-]{1,255}')


class WrongLogins(dict):
    """Wrong logins for the check that logins are looked at: each of a user of its own.

    Guesses at one user wait for each other, and all that would be seen is 429. These requests pass by `before_call`.
    """

    def get(self, name, other=None):
        if name != "_basic_auth":
            return super().get(name, other)
        login = f"nobody{next(NUMBERS)}@example.org:wrong"
        return "Basic " + base64.b64encode(login.encode()).decode()


_auth_retry.INVALID_AUTH_HEADERS = WrongLogins(_auth_retry.INVALID_AUTH_HEADERS)


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.method in ("PATCH", "DELETE"):
        for name, own in OWN.items():
            if case.path_parameters.get(name) == own:
                case.path_parameters[name] = NOBODY[name]
    # A key that was drawn before belongs to another request, as it should.
    key = case.headers.get("Idempotency-Key")
    if isinstance(key, str) and KEY.fullmatch(key):
        case.headers["Idempotency-Key"] = f"key-{next(NUMBERS)}"
    # From an address of its own each time: wrong passwords, which the checks send on purpose, make the next try from
    # the same address wait, and all that would be seen is 429.
    address = ".".join(str(ADDRESSES.randrange(1, 255)) for _ in range(3))
    case.headers["X-Forwarded-For"] = f"10.{address}"
    case.headers["X-Forwarded-Proto"] = "https"
    # No notification goes to whoever may have a name that was drawn.
    if case.path == "/api/v1/hook" and isinstance(case.body, dict) and "://" in str(case.body.get("url")):
        case.body["url"] = "https://hooks.invalid/"
    # Nor is an event pushed to them.
    if case.path.startswith("/api/v1/simulcasts") and isinstance(case.body, dict):
        for name in ("url", "backup_url"):
            if str(case.body.get(name)).lower().startswith("rtmp"):
                case.body[name] = "rtmp://servers.invalid/app"


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    return json.loads(response.content.splitlines()[-1])


@schemathesis.check
def answer_as_asked_for(ctx, response, case):
    """An answer is as its schema says; of one that was asked for some `fields`, nothing else is there.

    This stands for the check `response_schema_conformance`, which knows of no fields that are left out on request.
    """
    wanted = (case.query or {}).get("fields")
    if wanted is None or case.method != "GET" or response.status_code != 200:
        return case.operation.validate_response(response, case=case)
    names = wanted if isinstance(wanted, list) else str(wanted).split(",")
    first = {str(name).split(".")[0] for name in names}
    answer = response.json()
    for thing in answer["data"] if isinstance(answer.get("data"), list) else [answer]:
        more = set(thing) - first
        assert not more, f"{more} were not asked for"
    return None

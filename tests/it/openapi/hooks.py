"""What schemathesis does before it sends a request, and how it reads answers of rare kinds."""

import itertools
import json
import os
import random
import re

import schemathesis

# The test's own login: were it taken away, everything after it would be answered 401 and nothing be tested.
OWN = {"user": os.environ["STAGEBOX_USER"], "token": os.environ["STAGEBOX_TOKEN_ID"]}
NOBODY = {"user": "usr_00000000000000000000", "token": "tok_00000000000000000000"}
ADDRESSES = random.Random(1)
NUMBERS = itertools.count()
KEY = re.compile(r'"[ !#-\[\]-~]{1,255}"|[A-Za-z0-9._~:+/=-]{1,255}')


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


@schemathesis.deserializer("application/x-ndjson")
def last_line(context, response):
    return json.loads(response.content.splitlines()[-1])

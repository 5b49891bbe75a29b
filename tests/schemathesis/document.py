"""The OpenAPI document as it is tried: with examples that exist, and with what follows from what."""

FORM = "application/x-www-form-urlencoded"

# What an answer gives for the next request, by operation ids: parameters, or members of the body.
LINKS = [
    ("ticket-authenticate", "ticket-get", {"id": "id"}, {}),
    ("ticket-authenticate", "ticket-invalidate", {"id": "id"}, {}),
    ("ticket-authenticate", "api1-profile-by-ticket", {"ticketId": "id"}, {}),
    ("ticket-authenticate", "oauth2-introspect", {}, {"token": "id"}),
    ("ticket-authenticate", "oauth2-revoke", {}, {"token": "id"}),
    ("ticket-create", "ticket-get", {"id": "id"}, {}),
    ("ticket-create", "ticket-invalidate", {"id": "id"}, {}),
    ("ticket-create", "api1-profile-by-ticket", {"ticketId": "id"}, {}),
    ("ticket-create-older", "ticket-get-older", {"id": "id"}, {}),
    ("ticket-create-older", "ticket-invalidate-older", {"id": "id"}, {}),
    ("persistent-login-create", "persistent-login-get", {"id": "id"}, {}),
    ("persistent-login-create", "persistent-login-refresh", {"id": "id"}, {}),
    ("persistent-login-create", "persistent-login-delete", {"id": "id"}, {}),
    ("access-token-create", "access-token-get", {"id": "id"}, {}),
    ("access-token-create", "access-token-delete", {"id": "id"}, {}),
    ("tenant-create", "tenant-get", {"name": "name"}, {}),
    ("tenant-create", "tenant-update", {}, {"name": "name"}),
    ("tenant-create", "tenant-delete", {"name": "name"}, {}),
    ("tenant-create", "api1-profile-create", {}, {"tenantName": "name"}),
    ("tenant-create", "api1-profile-range", {"tenantName": "name"}, {}),
    ("tenant-create", "api1-profile-count", {"tenantName": "name"}, {}),
    ("api1-profile-create", "ticket-create", {}, {"profileId": "id"}),
    ("api1-profile-create", "persistent-login-create", {}, {"profileId": "id"}),
    ("api1-profile-create", "api1-profile-by-username", {"tenantName": "tenant", "username": "username"}, {}),
    ("api1-profile-create", "api1-profile-by-ids", {"id": "id"}, {}),
    *(
        ("api1-profile-create", operation, {"id": "id"}, {})
        for operation in (
            "api1-profile-get",
            "api1-profile-update",
            "api1-profile-enable",
            "api1-profile-disable",
            "api1-profile-delete",
            "api1-profile-roles-add",
            "api1-profile-roles-remove",
            "api1-profile-attributes-get",
            "api1-profile-attributes-update",
            "api1-profile-attributes-remove",
            "api1-profile-reset-password",
            "verification-token-create",
            "profile-get",
            "profile-update",
            "profile-authenticate",
        )
    ),
    ("verification-token-create", "verification-token-get", {"id": "id"}, {}),
    ("verification-token-create", "verification-token-delete", {"id": "id"}, {}),
    ("verification-token-create", "api1-profile-verify", {}, {"verificationTokenId": "id"}),
    ("profile-create", "profile-get", {"id": "id"}, {}),
    ("profile-create", "profile-update", {"id": "id"}, {}),
    ("profile-create", "profile-authenticate", {"id": "id"}, {}),
    ("profile-create", "api1-profile-get", {"id": "id"}, {}),
    ("authheader-add", "authheader-delete", {}, {"text": "token"}),
    ("authheader-add", "authheader-rotate", {}, {"text": "token"}),
    ("authheader-add", "authheader-report-leaked", {}, {"token": "token"}),
    ("user-login", "oauth2-introspect", {}, {"token": "Token"}),
    ("user-login", "oauth2-revoke", {}, {"token": "Token"}),
    ("profile-authenticate", "oauth2-introspect", {}, {"token": "jwt"}),
]


def operations(document):
    """Each operation by its id."""
    return {it["operationId"]: it for path in document["paths"].values() for it in path.values()}


def with_examples(document, real):
    """The document with what exists in the place of its examples. `real` holds each kind of thing. An example that is
    not where it is looked for is an error."""
    found = operations(document)
    form = found["ticket-authenticate"]["requestBody"]["content"][FORM]["example"]
    ticket, header = answer(found["ticket-authenticate"]), answer(found["authheader-add"])["token"]
    replaced = {
        form["password"]: real["password"],
        form["accessTokenId"]: real["accessToken"],
        ticket["id"]: real["ticket"],
        ticket["profileId"]: real["profile"],
        header: real["authHeader"],
        shown(header): shown(real["otherAuthHeader"]),
        parameter(found["persistent-login-get"], "token")["example"]: real["persistentLogin"]["token"],
    }
    document = renamed(document, replaced)
    for path, each in document["paths"].items():
        for operation in each.values():
            # In the document they look alike.
            if "/authentication/token/{id}" in path:
                parameter(operation, "id")["example"] = real["olderTicket"]
            if "/persistent_login/{id}" in path:
                parameter(operation, "id")["example"] = real["persistentLogin"]["id"]
            if "/verification_token/{id}" in path:
                parameter(operation, "id")["example"] = real["verificationTokens"][0]
    for operation, kind, name, existing in [
        ("authheader-rotate", "application/json", "text", real["rotatedAuthHeader"]),
        ("user-verify", "application/json", "token", real["verificationTokens"][1]),
        ("api1-profile-verify", FORM, "verificationTokenId", real["verificationTokens"][2]),
    ]:
        operations(document)[operation]["requestBody"]["content"][kind]["example"][name] = existing
    return document


def renamed(value, replaced):
    """The same with other texts."""
    if isinstance(value, dict):
        return {key: renamed(each, replaced) for key, each in value.items()}
    if isinstance(value, list):
        return [renamed(each, replaced) for each in value]
    return replaced.get(value, value) if isinstance(value, str) else value


def parameter(operation, name):
    """One of an operation's parameters."""
    return next(each for each in operation["parameters"] if each["name"] == name)


def shown(auth_header):
    """The display form of an auth header."""
    return f"{auth_header[:10]}\u2026{auth_header[-4:]}"


def answer(operation):
    """The example of a good answer."""
    return operation["responses"]["200"]["content"]["application/json"]["example"]


def with_simple_forms(document):
    """A form may carry the application's access token, which travels another way here: in two places it is refused. And
    a list of one item looks in a form like the item, so that one is as good as the other."""
    for operation in operations(document).values():
        media = operation.get("requestBody", {}).get("content", {}).get(FORM)
        if media is None:
            continue
        for example in [media.get("example"), *(it.get("value") for it in media.get("examples", {}).values())]:
            if isinstance(example, dict):
                example.pop("accessTokenId", None)
        schema = media["schema"]
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        members = schema["properties"]
        members.pop("accessTokenId", None)
        for name, member in members.items():
            if member.get("type") == "array":
                members[name] = {"anyOf": [member, member["items"]]}


def with_links(document):
    """Adds LINKS; answers how many."""
    found = operations(document)
    for source, target, parameters, body in LINKS:
        responses = found[source]["responses"]
        links = responses["201" if "201" in responses else "200"].setdefault("links", {})
        value = {"operationId": target}
        if parameters:
            value["parameters"] = {name: f"$response.body#/{member}" for name, member in parameters.items()}
        if body:
            value["requestBody"] = {name: f"$response.body#/{member}" for name, member in body.items()}
        assert target in found, target
        links[target] = value
    return len(LINKS)

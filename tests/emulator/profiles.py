"""The functions of the Profile API and of profile JWTs, each called for what it is for.

The ways that only one permission leads to are gone, too: a replayed token, a profile with everything that it can have.
"""

import json
import uuid

PASSWORD = "four grey geese over the harbour"
NEW_PASSWORD = "nine brass bells under the bridge"
TENANT = "demo"
# A token is taken for a while after it was replaced.
GRACE_MILLISECONDS = 31_000


def fresh(kind):
    """A name that nobody has."""
    return f"{kind}-{uuid.uuid4().hex[:12]}"


class Api:
    """The ticket family's paths, as the application that may do everything calls them."""

    def __init__(self, it):
        self.it = it
        self.application = {"x-access-token-id": it.master}

    def get(self, path, expected=200):
        """A GET."""
        return self.it.ask("GET", f"/api/1/{path}", self.application, expected=expected)

    def post(self, path, form=None, expected=200):
        """A POST of a form."""
        return self.it.ask("POST", f"/api/1/{path}", self.application, form=form or {}, expected=expected)

    def json(self, path, body, expected=200):
        """A POST of JSON."""
        return self.it.ask("POST", f"/api/1/{path}", self.application, body=body, expected=expected)

    def profile(self, **more):
        """A new profile."""
        return self.post("profile/create", {"tenantName": TENANT, "username": fresh("user"), **more})

    def path(self, **more):
        """The path of a new profile."""
        return f"profile/{self.profile(**more)['id']}"

    def persistent_login(self):
        """A new persistent login."""
        return self.post("authentication/persistent_login/create", {"profileId": self.profile()["id"]})

    def tenant(self, **more):
        """A new tenant's name."""
        return self.json("tenant/create", {"name": fresh("tenant"), **more})["name"]

    def access_token(self):
        """A new access token of another application."""
        return self.json("access_token/create", {"application": fresh("application"), "tenantPermissions": []})["id"]


def ticket_create(it):
    Api(it).post("authentication/ticket/create", {"profileId": it.ids["jane"]})


def persistent_login_create(it):
    Api(it).persistent_login()


def age_persistent_login(it, login):
    """Lets the last refresh lie back, so that the next one makes a new token."""
    client, table = it.stack.client("dynamodb"), it.stack.outputs["TicketsTableName"]
    found = client.query(
        TableName=table,
        KeyConditionExpression="pk = :user AND begins_with(sk, :kind)",
        ExpressionAttributeValues={":user": {"S": login["profileId"]}, ":kind": {"S": "P#"}},
    )
    client.update_item(
        TableName=table,
        Key={name: found["Items"][0][name] for name in ("pk", "sk")},
        UpdateExpression="SET refreshed = refreshed - :grace",
        ExpressionAttributeValues={":grace": {"N": str(GRACE_MILLISECONDS)}},
    )


def replayed(it, method, suffix):
    """Shows a token that was replaced too long ago, which ends the series and the user's sessions."""
    api = Api(it)
    login = api.persistent_login()
    path = f"authentication/persistent_login/{login['id']}"
    api.post(f"{path}/refresh_token", {"token": login["token"]})
    age_persistent_login(it, login)
    at = f"/api/1/{path}{suffix}?token={login['token']}"
    it.ask(method, at, api.application, form={} if method == "POST" else None, expected=404)
    api.get(path, expected=404)


def persistent_login_get(it):
    api = Api(it)
    api.get(f"authentication/persistent_login/{api.persistent_login()['id']}")
    replayed(it, "GET", "")


def persistent_login_refresh(it):
    api = Api(it)
    login = api.persistent_login()
    again = api.post(f"authentication/persistent_login/{login['id']}/refresh_token")
    it.demand("PersistentLoginRefresh", "the token is the same", again["token"] != login["token"])
    replayed(it, "POST", "/refresh_token")


def persistent_login_delete(it):
    api = Api(it)
    path = f"authentication/persistent_login/{api.persistent_login()['id']}"
    api.post(f"{path}/delete")
    api.get(path, expected=404)


def access_token_create(it):
    Api(it).access_token()


def access_token_get(it):
    api = Api(it)
    api.get(f"access_token/{api.access_token()}")


def access_token_list(it):
    api = Api(it)
    api.access_token()
    it.demand("AccessTokenList", "it is too short", len(api.get("access_token/all")) > 1)


def access_token_delete(it):
    """It is effective with the next call."""
    api = Api(it)
    token = api.access_token()
    api.post(f"access_token/{token}/delete")
    it.ask("GET", "/v1/application", {"x-api-key": token}, expected=403)


def tenant_create(it):
    Api(it).tenant()


def tenant_get(it):
    Api(it).get(f"tenant/{TENANT}")


def tenant_list(it):
    names = [each["name"] for each in Api(it).get("tenant/all")]
    it.demand("TenantList", "a tenant is missing", TENANT in names)


def tenant_count(it):
    it.demand("TenantCount", "it is none", Api(it).get("tenant/count") > 0)


def tenant_update(it):
    api = Api(it)
    name = api.tenant()
    changed = api.json("tenant/update", {"name": name, "availableRoles": ["reader"]})
    it.demand("TenantUpdate", "nothing changed", changed["availableRoles"] == ["reader"])


def with_belongings(it, tenant):
    """A profile that has one of each kind of thing."""
    api, name = Api(it), fresh("owner")
    given = {"tenantName": tenant, "username": name, "password": PASSWORD, "email": f"{name}@example.com"}
    made = api.post("profile/create", given)
    login = it.ask("POST", "/user/login", body={"username": f"{tenant}/{name}", "password": PASSWORD})
    it.ask("POST", "/authheader/add", {"Authorization": login["Token"]}, {"name": "belonging"})
    api.post("authentication/persistent_login/create", {"profileId": made["id"]})
    api.post(f"profile/{made['id']}/verification_token/create")
    return made["id"]


def tenant_delete(it):
    """With somebody in it."""
    api = Api(it)
    name = api.tenant()
    with_belongings(it, name)
    api.post(f"tenant/{name}/delete")
    api.get(f"tenant/{name}", expected=404)


def profile_create(it):
    """With a message about an address that is to be verified."""
    api, name = Api(it), fresh("new")
    tenant = api.tenant(verifyNewProfiles=True)
    given = {"username": name, "password": PASSWORD, "email": f"{name}@example.com"}
    api.post("profile/create", {"tenantName": tenant, **given, "verificationUrl": "https://app.example/verify"})


def profile_get(it):
    api = Api(it)
    api.get(api.path())


def profile_update(it):
    """Another name, address and password."""
    api, name = Api(it), fresh("renamed")
    path = api.path(password=PASSWORD, email=f"{fresh('old')}@example.com")
    api.post(f"{path}/update", {"username": name, "email": f"{name}@example.com"})
    api.post(f"{path}/update", {"password": NEW_PASSWORD, "enabled": "true"})
    sign_in = {"tenantName": TENANT, "username": name, "password": NEW_PASSWORD}
    api.post("authentication/authenticate", sign_in)


def profile_enable(it):
    api = Api(it)
    api.post(f"{api.path(enabled='false')}/enable")


def profile_disable(it):
    api = Api(it)
    path = api.path()
    api.post(f"{path}/disable")
    it.demand("Api1ProfileDisable", "it is enabled", not api.get(path)["enabled"])


def profile_delete(it):
    api = Api(it)
    path = f"profile/{with_belongings(it, TENANT)}"
    api.post(f"{path}/delete")
    api.get(path, expected=404)


def roles_add(it):
    api = Api(it)
    it.demand("Api1ProfileRolesAdd", "it has none", api.post(f"{api.path()}/roles/add", {"role": "pilot"})["roles"])


def roles_remove(it):
    api = Api(it)
    left = api.post(f"{api.path(role='pilot')}/roles/remove", {"role": "pilot"})["roles"]
    it.demand("Api1ProfileRolesRemove", "it has one", left == [])


def attributes_get(it):
    api = Api(it)
    found = api.get(f"{api.path(attributes=json.dumps({'level': 3}))}/attributes")
    it.demand("Api1ProfileAttributesGet", "they are others", found == {"level": 3})


def attributes_update(it):
    api = Api(it)
    api.json(f"{api.path()}/attributes/update", {"level": 4})


def attributes_remove(it):
    api = Api(it)
    path = api.path(attributes=json.dumps({"level": 3}))
    api.post(f"{path}/attributes/remove", {"attributeName": "level"})
    it.demand("Api1ProfileAttributesRemove", "it is there", api.get(f"{path}/attributes") == {})


def by_username(it):
    Api(it).get(f"profile/by_username?tenantName={TENANT}&username=jane")


def by_ticket(it):
    """The second read comes so late that it has to be noted before it is answered."""
    api, ticket = Api(it), it.ticket()
    api.get(f"profile/by_ticket?ticketId={ticket}")
    aged = it.age_newest_ticket()
    api.get(f"profile/by_ticket?ticketId={ticket}")
    it.ticket_noted("Api1ProfileByTicket", aged)


def by_ids(it):
    found = Api(it).get(f"profile/by_ids?id={it.ids['jane']}&id={it.ids['anna']}")
    it.demand("Api1ProfileByIds", "one is missing", len(found) == 2)


def profile_range(it):
    """By name, from somewhere, and by something that no index has."""
    api = Api(it)
    for query in ("count=2", "start=1&count=1", "sortBy=createdOn&sortOrder=DESC&count=2"):
        found = api.get(f"profile/range?tenantName={TENANT}&{query}")
        it.demand("Api1ProfileRange", f"nobody with {query}", found)


def profile_count(it):
    it.demand("Api1ProfileCount", "nobody is there", Api(it).get(f"profile/count?tenantName={TENANT}") > 0)


def reset_password(it):
    api, name = Api(it), fresh("forgetful")
    path = api.path(password=PASSWORD, email=f"{name}@example.com")
    api.post(f"{path}/reset_password", {"resetPasswordUrl": "https://app.example/reset"})


def change_password(it):
    """By a token as `reset_password` sends one to the event bus alone."""
    api, new = Api(it), f"{NEW_PASSWORD} {uuid.uuid4()}"
    form = {"resetTokenId": it.one_time_token("ruth", "reset"), "newPassword": new}
    api.post("profile/change_password", form)
    api.post("profile/change_password", form, expected=404)


def verification_token(api):
    """A new one."""
    path = api.path(email=f"{fresh('verified')}@example.com")
    return api.post(f"{path}/verification_token/create")["id"]


def verification_token_create(it):
    verification_token(Api(it))


def verification_token_get(it):
    api = Api(it)
    api.get(f"profile/verification_token/{verification_token(api)}")


def verification_token_delete(it):
    api = Api(it)
    path = f"profile/verification_token/{verification_token(api)}"
    api.post(f"{path}/delete")
    api.get(path, expected=404)


def profile_verify(it):
    api = Api(it)
    found = api.post("profile/verify", {"verificationTokenId": verification_token(api)})
    it.demand("Api1ProfileVerify", "it is not verified", found["verified"])


def key(it):
    """The profile family's way to show an access token."""
    return {"x-api-key": it.master}


def new_profile(it):
    """A new profile of the profile family."""
    return it.ask("POST", "/v1/profile", key(it), {"applicationId": it.application}, expected=201)["id"]


def v1_create(it):
    new_profile(it)


def v1_get(it):
    """For an application, and for the user itself."""
    it.ask("GET", f"/v1/profile/{new_profile(it)}", key(it))
    it.ask("GET", f"/v1/profile/{it.ids['jane']}", {"Authorization": it.jwt()})


def v1_update(it):
    """For an application, and for the user itself."""
    it.ask("PUT", f"/v1/profile/{new_profile(it)}", key(it), {"name": "Ada"})
    name = fresh("Jane")
    changed = it.ask("PUT", f"/v1/profile/{it.ids['jane']}", {"Authorization": it.jwt()}, {"name": name})
    it.demand("ProfileUpdate", "it has another name", changed["name"] == name)


def application_get(it):
    found = it.ask("GET", "/v1/application", key(it))
    it.demand("ApplicationGet", "it is another one", found["name"] == it.application)


# By logical id.
CALLS = {
    "TicketCreate": ticket_create,
    "PersistentLoginCreate": persistent_login_create,
    "PersistentLoginGet": persistent_login_get,
    "PersistentLoginRefresh": persistent_login_refresh,
    "PersistentLoginDelete": persistent_login_delete,
    "AccessTokenCreate": access_token_create,
    "AccessTokenGet": access_token_get,
    "AccessTokenList": access_token_list,
    "AccessTokenDelete": access_token_delete,
    "TenantCreate": tenant_create,
    "TenantGet": tenant_get,
    "TenantList": tenant_list,
    "TenantCount": tenant_count,
    "TenantUpdate": tenant_update,
    "TenantDelete": tenant_delete,
    "Api1ProfileCreate": profile_create,
    "Api1ProfileGet": profile_get,
    "Api1ProfileUpdate": profile_update,
    "Api1ProfileEnable": profile_enable,
    "Api1ProfileDisable": profile_disable,
    "Api1ProfileDelete": profile_delete,
    "Api1ProfileRolesAdd": roles_add,
    "Api1ProfileRolesRemove": roles_remove,
    "Api1ProfileAttributesGet": attributes_get,
    "Api1ProfileAttributesUpdate": attributes_update,
    "Api1ProfileAttributesRemove": attributes_remove,
    "Api1ProfileByUsername": by_username,
    "Api1ProfileByTicket": by_ticket,
    "Api1ProfileByIds": by_ids,
    "Api1ProfileRange": profile_range,
    "Api1ProfileCount": profile_count,
    "Api1ProfileResetPassword": reset_password,
    "Api1ProfileChangePassword": change_password,
    "VerificationTokenCreate": verification_token_create,
    "VerificationTokenGet": verification_token_get,
    "VerificationTokenDelete": verification_token_delete,
    "Api1ProfileVerify": profile_verify,
    "ProfileCreate": v1_create,
    "ProfileGet": v1_get,
    "ProfileUpdate": v1_update,
    "ApplicationGet": application_get,
}

"""Updates of the deployed stack: every parameter changed and nothing lost, a pepper that is demanded, the switch to other
tables, a second stack on the same tables, and the end of both."""

import base64
import json
import time

from functions import EVENTS, PASSWORD, bearer, every_function
from operated import operate
from stacks import REGION, deploy

# What no update here changes, and why.
KEPT = {
    "Issuer": "it is the iss of every JWT: what was signed under another one is refused, as documented",
    "Audience": "the same for the aud",
    "Architecture": "the build has the binaries of this machine's processor",
    "CertificateArn": "follows DomainName",
    "DomainName": "a name has to be found by DNS",
    "HostedZoneId": "the emulator has no AWS::Route53::RecordSetGroup",
    "DefaultEndpoint": "the tests call it",
    "WebAclArn": "the emulator's CloudFront passes nothing on to a gateway",
    "EdgeCertificateArn": "follows WebAclArn",
    "EdgeMode": "follows WebAclArn",
    "EdgeSecretNumber": "follows WebAclArn",
    "GradualDeployment": "the emulator has no CodeDeploy",
    "KmsKeyArn": "the emulator does not hold tables or secrets to a key",
    "ReplicaRegion": "the emulator has one region",
    "ReplicaKmsKeyArn": "follows ReplicaRegion",
    "Tables": "switched and switched back, below",
    "Secrets": "given to the second stack, below",
    "MakesTables": "false for the second stack, below",
}
TOPIC = f"arn:aws:sns:{REGION}:000000000000:alarms"
BUS = "messages"
CHANGED = {
    "AlarmLockouts": "30",
    "AlarmLogGigabytes": "20",
    "AlarmTopicArn": TOPIC,
    "Argon2Iterations": "3",
    "Argon2MemoryKiB": "24576",
    "Argon2Parallelism": "2",
    "AuthorizerAnswer": "iam",
    "AuthorizerMode": "signature-only-ignores-revocation",
    "BurstLimit": "450",
    "ContributorInsights": "true",
    "CorsOrigins": "https://app.example.com",
    "DefaultTenant": "night",
    "DeletionProtection": "false",
    "EventBusName": BUS,
    "KeyRotationDays": "60",
    "LogLevel": "debug",
    "LogRetentionDays": "30",
    "LoginBurstLimit": "90",
    "LoginConcurrency": "30",
    "LoginJwtSeconds": "1800",
    "LoginMaxSeconds": "1296000",
    "LoginRateLimit": "90",
    "MemoryMiB": "512",
    "Metrics": "false",
    "PasswordMemoryMiB": "2048",
    "Pepper": "verify-only",
    "PersistentLoginSeconds": "604800",
    "ProfileJwtMaxSeconds": "7200",
    "ProfileJwtSeconds": "600",
    "RateLimit": "900",
    "ResetUrl": "https://app.example.com/reset#{token}",
    "SigningAlgorithm": "ES256",
    "TicketIdleSeconds": "1800",
    "TicketMaxSeconds": "43200",
    "Tracing": "Active",
    "VerifyUrl": "https://app.example.com/verify#{token}",
}
TABLES = ("Credentials", "Users", "Tickets", "AuthHeaders", "Applications")
# In the order in which the parameter Tables names them.
RETAINED = tuple(f"{name}Table" for name in TABLES) + ("KeysetSecret",)
BATCH = 25


class Updates:
    """The stack with its parameters, and what was issued before."""

    def __init__(self, run, it, options, parameters):
        self.run, self.it, self.options = run, it, options
        # All of them, since `sam deploy` leaves as it is what it is not told.
        declared = it.stack.template["Parameters"].items()
        defaults = {name: str(each["Default"]) for name, each in declared if "Default" in each}
        self.cloud, self.first = it.stack.cloud, {**defaults, **parameters}
        self.issued = Issued(it)
        self.retained = {name: it.stack.physical[name] for name in RETAINED}

    def update(self, what, **changed):
        """Deploys the stack with its first parameters but for some, and holds what must never change against before."""
        print(what)
        started = time.monotonic()
        self.given = {**self.first, **changed}
        template = self.options.build / "template.yaml"
        stack = deploy(self.cloud, self.options.sam, template, self.it.stack.name, self.given)
        print(f"  updated in {time.monotonic() - started:.0f} s")
        self.it.take(stack)
        self.expect("tables and secrets that are other ones now", self.replaced(stack), [])
        self.expect("functions that were not told", self.untold(stack), [])
        self.expect("what was issued before and is refused", self.issued.refused(), [])
        return stack

    def expect(self, *arguments):
        self.run.expect(*arguments)

    def replaced(self, stack):
        """What is another one than before."""
        return [name for name, physical in self.retained.items() if stack.physical[name] != physical]

    def untold(self, stack):
        """Functions whose live version has another environment than the template gives it with these parameters."""
        wrong = []
        for function in sorted(stack.functions()):
            properties = stack.template["Resources"][function]["Properties"]
            live = stack.live(function)["Environment"]["Variables"]
            for name, value in properties["Environment"]["Variables"].items():
                wanted = isinstance(value, dict) and self.given.get(value.get("Ref"))
                if wanted and live.get(name) != wanted:
                    wrong.append((function, name, live.get(name), wanted))
            settings = stack.outputs["SettingsVersion"]
            if live.get("OSTIARY_SETTINGS_VERSION") != settings:
                wrong.append((function, "OSTIARY_SETTINGS_VERSION", live.get("OSTIARY_SETTINGS_VERSION"), settings))
        return wrong


class Issued:
    """A credential of each kind, and whether each is still good."""

    def __init__(self, it):
        self.it = it
        self.jwt = it.login("demo/otto")["Token"]
        self.ticket = it.ticket()
        _, self.auth_header = it.auth_header(self.jwt)
        path = f"/v1/profile/{it.ids['jane']}/authenticate"
        self.minted = it.ask("POST", path, {"x-api-key": it.access_token}, {"duration": 3600})["jwt"]
        path = "/api/1/authentication/persistent_login/create"
        made = it.ask("POST", path, {"x-api-key": it.master}, form={"profileId": it.ids["jane"]})
        self.persistent, self.persistent_token = made["id"], made["token"]

    def refused(self):
        """The kinds that are good no more."""
        application = {"x-access-token-id": self.it.access_token}
        path = f"/api/1/authentication/persistent_login/{self.persistent}?token={self.persistent_token}"
        asked = {
            "JWT": ("/test/secure", bearer(self.jwt)),
            "profile JWT": ("/test/secure", bearer(self.minted)),
            "auth header": ("/test/secure", {"X-Authorization": self.auth_header}),
            "ticket": (f"/api/1/authentication/ticket/{self.ticket}", application),
            "persistent login": (path, application),
            "access token": ("/v1/application", {"x-api-key": self.it.master}),
        }
        client = self.it.client
        found = {kind: client.send(client.front.url, "GET", *request)[0] for kind, request in asked.items()}
        return sorted((kind, status) for kind, status in found.items() if status != 200)


def updates(run, it, options, parameters):
    """All of it, in the order in which an operator would do it."""
    declared = set(it.stack.template["Parameters"])
    named = {*KEPT, *CHANGED}
    run.expect("parameters of the template that no update changes and nobody names", sorted(declared - named), [])
    run.expect("parameters named here that the template has not", sorted(named - declared), [])
    every = Updates(run, it, options, parameters)
    it.stack.client("events").create_event_bus(Name=BUS)
    all_changed(run, it, every)
    pepper_required(run, it, every, options)
    other_tables(run, it, every)
    second_stack(run, it, every, options)
    ended(run, it, every)


def claims(jwt):
    """What a JWT says."""
    part = jwt.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def stored_hash(it, username):
    """A user's hash, as it is stored."""
    key = {"pk": {"S": f"NAME#demo#{username}"}}
    table = it.stack.outputs["CredentialsTableName"]
    item = it.stack.client("dynamodb").get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    return item["phc"]["S"]


def all_changed(run, it, every):
    """Every parameter that can be changed, at once; what can be observed of it."""
    stack = every.update("every parameter changed", **CHANGED)
    credentials, url = {"username": "jane", "password": PASSWORD}, it.client.front.url
    status, _ = it.client.send(url, "POST", "/user/login", None, credentials)
    run.expect("a name without a tenant is one of the new default tenant", status, 401)
    login = it.login("demo/jane")
    run.expect("the life of a JWT", life(login["Token"]), 1800)
    run.expect("the hash at the new cost", "m=24576,t=3,p=2" in stored_hash(it, "jane"), True)
    path = f"/v1/profile/{it.ids['jane']}/authenticate"
    key = {"x-api-key": it.access_token}
    run.expect("the life of a profile JWT", life(it.ask("POST", path, key, {})["jwt"]), 600)
    longest = it.ask("POST", path, key, {"duration": 7201})["jwt"]
    run.expect("the longest life of a profile JWT", life(longest), 7200)
    status, _ = it.client.send(url, "POST", "/user/forgot", None, {"username": "demo/ruth"})
    run.expect("a message on the new bus", status, 200)
    memory = {name: stack.live(name)["MemorySize"] for name in ("UserLogin", "TestSecure")}
    run.expect("the memory", memory, {"UserLogin": 2048, "TestSecure": 512})
    group = stack.outputs["FunctionLogsName"]
    groups = stack.client("logs").describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    kept = [each["retentionInDays"] for each in groups if each["logGroupName"] == group]
    run.expect("the retention of logs", kept, [30])
    alarms = stack.client("cloudwatch").describe_alarms()["MetricAlarms"]
    actions = {tuple(alarm["AlarmActions"]) for alarm in alarms if alarm["AlarmName"] in stack.physical.values()}
    run.expect("where alarms go", actions, {(TOPIC,)})
    allowed = it.invoke("Authorizer", authorizer_event(login["Token"]))
    run.expect("the authorizer answers with a policy", allowed["policyDocument"]["Statement"][0]["Effect"], "Allow")
    it.ask("GET", "/user/logout", bearer(login["Token"]))
    kept = it.invoke("Authorizer", authorizer_event(login["Token"]))
    run.expect("and by the signature alone", kept["policyDocument"]["Statement"][0]["Effect"], "Allow")


def life(jwt):
    """For how long a JWT is made."""
    said = claims(jwt)
    return said["exp"] - said["iat"]


def authorizer_event(jwt):
    """What API Gateway asks the authorizer."""
    event = json.loads((EVENTS / "authorizer.json").read_text())
    return {**event, "identitySource": [jwt], "headers": {**event["headers"], "authorization": jwt}}


def pepper_required(run, it, every, options):
    """From no pepper over one that is only checked to one that is demanded, and everything else as at first."""
    operate(options.ostiary, every.cloud, "pepper", "init")
    # The alarms on our own metrics were gone while there were none.
    stack = every.update("a pepper is required, almost all else is as at first", Pepper="required", AlarmLockouts="30")
    alarms = stack.client("cloudwatch").describe_alarms(AlarmNames=[stack.physical["LockoutsMany"]])["MetricAlarms"]
    run.expect("how many lockouts set off an alarm", [alarm["Threshold"] for alarm in alarms], [30.0])
    run.expect("the hash before the login", "keyid=" in stored_hash(it, "anna"), False)
    it.login("anna")
    run.expect("the hash after it", "keyid=" in stored_hash(it, "anna"), True)
    every_function(run, it)


def other_tables(run, it, every):
    """As after a restore: the functions go over to copies, what is written then is in the copies alone, and back."""
    own, store = list(every.retained.values())[: len(TABLES)], it.stack.client("dynamodb")
    for table in own:
        copied(store, table, f"{table}-restored")
    there = [f"{table}-restored" for table in own]
    stack = every.update("other tables", Pepper="required", Tables=",".join(there))
    run.expect("the tables in use", [stack.outputs[f"{name}TableName"] for name in TABLES], there)
    before = [count(store, table) for table in own]
    every_function(run, it)
    run.expect("what the stack's own tables hold meanwhile", [count(store, table) for table in own], before)
    stack = every.update("the stack's own tables again", Pepper="required", Tables=every.first["Tables"])
    run.expect("the tables in use", [stack.outputs[f"{name}TableName"] for name in TABLES], own)


def count(store, table):
    """How many items a table holds."""
    pages = store.get_paginator("scan").paginate(TableName=table, Select="COUNT", ConsistentRead=True)
    return sum(page["Count"] for page in pages)


def copied(store, table, name):
    """Makes a copy of a table, as RestoreTableToPointInTime does."""
    described = store.describe_table(TableName=table)["Table"]
    indexes = described.get("GlobalSecondaryIndexes", [])
    indexes = [{part: index[part] for part in ("IndexName", "KeySchema", "Projection")} for index in indexes]
    store.create_table(
        TableName=name,
        KeySchema=described["KeySchema"],
        AttributeDefinitions=described["AttributeDefinitions"],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )
    for page in store.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        items = page["Items"]
        for start in range(0, len(items), BATCH):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + BATCH]]
            left = store.batch_write_item(RequestItems={name: puts}).get("UnprocessedItems")
            if left:
                raise RuntimeError(f"{name}: items were left out of the copy")


def second_stack(run, it, every, options):
    """A stack without tables on those of the first, as one would have in another region: what one issues the other takes."""
    print("a second stack on the same tables")
    first = it.stack
    given = {**every.first, "Pepper": "required", "MakesTables": "false"}
    given.update({name: first.outputs[f"{name}InUse"] for name in ("Tables", "Secrets")})
    second = deploy(every.cloud, options.sam, options.build / "template.yaml", "standby", given)
    run.expect("tables and secrets of its own", sorted(set(second.physical) & set(RETAINED)), [])
    second.complete_http_api()
    it.client.front.target = (every.cloud, second.address())
    run.expect("what the first issued and the second refuses", every.issued.refused(), [])
    jwt = it.login("demo/jane")["Token"]
    it.client.front.target = (every.cloud, first.address())
    status, _ = it.client.send(it.client.front.url, "GET", "/test/secure", bearer(jwt))
    run.expect("a JWT of the second on the first", status, 200)
    first.client("cloudformation").delete_stack(StackName=second.name)
    gone(run, first, second.name)


def ended(run, it, every):
    """The stack goes; what people trusted it with stays."""
    print("the end of the stack")
    stack = it.stack
    stack.client("cloudformation").delete_stack(StackName=stack.name)
    gone(run, stack, stack.name)
    store, secrets = stack.client("dynamodb"), stack.client("secretsmanager")
    users = count(store, every.retained["UsersTable"])
    run.expect("users that are left", users > 0, True)
    tables = store.list_tables()["TableNames"]
    lost = [name for name in list(every.retained.values())[: len(TABLES)] if name not in tables]
    run.expect("tables that are gone", lost, [])
    for secret in (stack.outputs["KeysetSecretArn"], stack.outputs["PepperSecretArn"]):
        keyset = json.loads(secrets.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["SecretString"])
        run.expect(f"keys that are left in {sorted(keyset)}", any(keyset.values()), True)


def gone(run, stack, name):
    """Waits for the end of a stack."""
    formation, deadline = stack.client("cloudformation"), time.monotonic() + 60
    while time.monotonic() < deadline:
        found = formation.list_stacks(StackStatusFilter=["DELETE_COMPLETE", "DELETE_FAILED"])["StackSummaries"]
        state = [each["StackStatus"] for each in found if each["StackName"] == name]
        if state:
            break
        time.sleep(0.5)
    run.expect(f"the deletion of {name}", state, ["DELETE_COMPLETE"])

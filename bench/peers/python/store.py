"""The store calls."""

import os

import boto3

CREDENTIALS = os.environ["CREDENTIALS_TABLE"]
USERS = os.environ["USERS_TABLE"]
TICKETS = os.environ["TICKETS_TABLE"]

# Outside of the handler, so that an environment has one client and keeps its connections.
client = boto3.client("dynamodb")


def read(**tables):
    answer = client.batch_get_item(RequestItems={name: {"Keys": [key], "ConsistentRead": True} for name, key in tables.items()})
    if answer.get("UnprocessedKeys"):
        raise RuntimeError("the store didn't read everything")
    return lambda table: next(iter(answer["Responses"].get(table, [])), None)


def credential(tenant, name):
    item = read(**{CREDENTIALS: {"pk": {"S": f"NAME#{tenant}#{name}"}}})(CREDENTIALS)
    return item and {"key": item["pk"]["S"], "user": item["user"]["S"], "phc": item["phc"]["S"], "version": item["version"]}


def as_user(item):
    return item and {
        "id": item["pk"]["S"],
        "tenant": item["tenant"]["S"],
        "name": item["name"]["S"],
        "enabled": item["enabled"]["BOOL"],
        "roles": [role["S"] for role in item["roles"]["L"]],
        "epoch": item["epoch"]["N"],
    }


def user(id):
    return as_user(read(**{USERS: {"pk": {"S": id}}})(USERS))


def user_and_ticket(id, ticket):
    found = read(**{USERS: {"pk": {"S": id}}, TICKETS: {"pk": {"S": id}, "sk": {"S": f"T#{ticket}"}}})
    item = found(TICKETS)
    return as_user(found(USERS)), item and {"expires": int(item["expires"]["N"]), "epoch": item["epoch"]["N"]}


def note_login(credential, now):
    client.update_item(
        TableName=CREDENTIALS,
        Key={"pk": {"S": credential["key"]}},
        UpdateExpression="SET lastLogin = :now REMOVE guesses",
        ConditionExpression="version = :version",
        ExpressionAttributeValues={":now": {"N": str(now)}, ":version": credential["version"]},
    )


def create_ticket(user, ticket, now):
    client.put_item(
        TableName=TICKETS,
        Item={
            "pk": {"S": user["id"]},
            "sk": {"S": f"T#{ticket['id']}"},
            "created": {"N": str(now)},
            "expires": {"N": str(ticket["expires"])},
            "epoch": {"N": user["epoch"]},
        },
        ConditionExpression="attribute_not_exists(pk)",
    )

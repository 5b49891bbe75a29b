"""`GET /test/unsecure`: an answer, and no call of anything."""

import json


def handler(event, context):
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps({"message": "hello"})}

"""Takes each permission away from each function, one at a time: what the function is for must fail then.

So none of them is too many, and the calls of `functions.py` would notice if one were missing.
"""

import copy
import json

from functions import CALLS, Wrong

# What a function may do for a case that can't be brought about from outside: a ticket is deleted when, between reading
# and writing, the password that opened it was changed, and a one-time token when it could not be sent. Then a profile
# that is to be verified is taken back, too. The tests in Rust bring it about.
NOT_BROUGHT_ABOUT = {
    ("UserLogin", "dynamodb:DeleteItem", "TicketsTable"),
    ("TicketAuthenticate", "dynamodb:DeleteItem", "TicketsTable"),
    ("UserForgot", "dynamodb:DeleteItem", "CredentialsTable"),
    ("Api1ProfileResetPassword", "dynamodb:DeleteItem", "CredentialsTable"),
    ("Api1ProfileCreate", "dynamodb:BatchGetItem", "UsersTable"),
    ("Api1ProfileCreate", "dynamodb:UpdateItem", "UsersTable"),
    ("Api1ProfileCreate", "dynamodb:DeleteItem", "UsersTable"),
    ("Api1ProfileCreate", "dynamodb:DeleteItem", "CredentialsTable"),
    ("Api1ProfileCreate", "dynamodb:Query", "AuthHeadersTable"),
    ("Api1ProfileCreate", "dynamodb:DeleteItem", "AuthHeadersTable"),
    ("Api1ProfileCreate", "dynamodb:Query", "TicketsTable"),
    ("Api1ProfileCreate", "dynamodb:DeleteItem", "TicketsTable"),
}


def roles(stack):
    """Each function, its role's name, and the role's own policies by name."""
    iam = stack.client("iam")
    for function in sorted(stack.functions()):
        role = stack.physical[f"{function}Role"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]:
            document = iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
            yield function, role, policy, json.loads(document) if isinstance(document, str) else document


def permissions(document):
    """Each single permission: where it stands, action and resource."""
    for place, statement in enumerate(document["Statement"]):
        actions = statement["Action"]
        for action in [actions] if isinstance(actions, str) else actions:
            yield place, action, statement["Resource"]


def without(document, place, action):
    """The policy less one action."""
    less = copy.deepcopy(document)
    actions = less["Statement"][place]["Action"]
    kept = [] if isinstance(actions, str) else [other for other in actions if other != action]
    # A statement has to have an action, so one that is left without gets one that nobody needs.
    less["Statement"][place]["Action"] = kept or ["sts:GetCallerIdentity"]
    return less


def each_is_needed(run, it):
    """The control of `every_function`."""
    print("every permission")
    iam = it.stack.client("iam")
    needless, strange, count = [], [], 0
    for function, role, policy, document in roles(it.stack):
        for place, action, resource in permissions(document):
            permission, count = (function, action, named(it.stack, resource)), count + 1
            less = json.dumps(without(document, place, action))
            iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=less)
            # It may hold keys that it has read.
            it.begin_anew(function)
            wrong = fails(it, CALLS[function])
            if not wrong:
                needless.append(permission)
            # A note that was not written counts as an outage.
            elif wrong.function != function or not wrong.by_outage:
                strange.append(f"without {permission}: {wrong}")
        iam.put_role_policy(RoleName=role, PolicyName=policy, PolicyDocument=json.dumps(document))
        it.begin_anew(function)
    run.expect("permissions without which nothing fails", sorted(needless), sorted(NOT_BROUGHT_ABOUT))
    run.expect("failures that are no outages", strange, [])
    still = [str(wrong) for wrong in (fails(it, call) for call in CALLS.values()) if wrong]
    run.expect(f"failures when all {count} are given again", still, [])


def fails(it, call):
    """What a function did not do, if anything."""
    try:
        call(it)
    except Wrong as wrong:
        return wrong
    return None


def named(stack, resource):
    """The template's name of a table, or of a table and its index; what else is not the event bus is the keyset."""
    if ":event-bus/" in resource:
        return "EventBus"
    tables = {physical: logical for logical, physical in stack.physical.items()}
    table, *index = resource.partition(":table/")[2].split("/index/")
    return "/".join([tables[table], *index]) if table in tables else "KeysetSecret"

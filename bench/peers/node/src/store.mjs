// The store calls, the same for both families.
import { BatchGetItemCommand, DynamoDBClient, PutItemCommand, UpdateItemCommand } from "@aws-sdk/client-dynamodb";

const { CREDENTIALS_TABLE, USERS_TABLE, TICKETS_TABLE } = process.env;

// Outside of the handler, so that an environment has one client and keeps its connections.
const client = new DynamoDBClient({});

const consistent = (key) => ({ Keys: [key], ConsistentRead: true });

async function read(tables) {
  const { Responses, UnprocessedKeys } = await client.send(new BatchGetItemCommand({ RequestItems: tables }));
  if (Object.keys(UnprocessedKeys ?? {}).length > 0) {
    throw new Error("the store didn't read everything");
  }
  return (table) => Responses[table]?.[0];
}

export async function credential(tenant, name) {
  const found = await read({ [CREDENTIALS_TABLE]: consistent({ pk: { S: `NAME#${tenant}#${name}` } }) });
  const item = found(CREDENTIALS_TABLE);
  return item && { key: item.pk.S, user: item.user.S, phc: item.phc.S, version: Number(item.version.N) };
}

function asUser(item) {
  return (
    item && {
      id: item.pk.S,
      tenant: item.tenant.S,
      name: item.name.S,
      enabled: item.enabled.BOOL,
      roles: item.roles.L.map((role) => role.S),
      epoch: Number(item.epoch.N),
    }
  );
}

export async function user(id) {
  const found = await read({ [USERS_TABLE]: consistent({ pk: { S: id } }) });
  return asUser(found(USERS_TABLE));
}

export async function userAndTicket(id, ticket) {
  const found = await read({
    [USERS_TABLE]: consistent({ pk: { S: id } }),
    [TICKETS_TABLE]: consistent({ pk: { S: id }, sk: { S: `T#${ticket}` } }),
  });
  const item = found(TICKETS_TABLE);
  return {
    user: asUser(found(USERS_TABLE)),
    ticket: item && { expires: Number(item.expires.N), epoch: Number(item.epoch.N) },
  };
}

// Both at once: a ticket that nobody was shown can't be used.
export async function logIn(credential, user, ticket, now) {
  await Promise.all([
    client.send(
      new UpdateItemCommand({
        TableName: CREDENTIALS_TABLE,
        Key: { pk: { S: credential.key } },
        UpdateExpression: "SET lastLogin = :now REMOVE guesses",
        ConditionExpression: "version = :version",
        ExpressionAttributeValues: { ":now": { N: String(now) }, ":version": { N: String(credential.version) } },
      }),
    ),
    client.send(
      new PutItemCommand({
        TableName: TICKETS_TABLE,
        Item: {
          pk: { S: user.id },
          sk: { S: `T#${ticket.id}` },
          created: { N: String(now) },
          expires: { N: String(ticket.expires) },
          epoch: { N: String(user.epoch) },
        },
        ConditionExpression: "attribute_not_exists(pk)",
      }),
    ),
  ]);
}

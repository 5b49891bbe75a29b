"""Stacks in the emulator: deployed by `sam deploy`, their HTTP APIs completed."""

import json
import re
import subprocess
import sys

import boto3
from samtranslator.yaml_helper import yaml_parse

from cloud import REGION

VARIABLE = re.compile(r"\$\{([^}]+)\}")


BUCKET = "artefacts"

# A secret's Ref is its ARN on AWS, and its name in the emulator.
SECRET_ARN = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:${SECRET}*"
# What the emulator refuses a whole template for. Nothing that is tested here rests on them.
LEFT_OUT = {"AWS::SecretsManager::RotationSchedule"}


def client(cloud, service):
    """A client of one of the emulator's services."""
    return boto3.client(
        service,
        endpoint_url=cloud.url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def make_bucket(cloud):
    """Where `sam deploy` puts what it uploads."""
    client(cloud, "s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})


class Stack:
    """A deployed stack."""

    def __init__(self, cloud, name):
        self.cloud = cloud
        self.name = name
        formation = self.client("cloudformation")
        described = formation.describe_stacks(StackName=name)["Stacks"][0]
        self.account = described["StackId"].split(":")[4]
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", [])}
        self.parameters = {given["ParameterKey"]: given["ParameterValue"] for given in described["Parameters"]}
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=name)
        self.physical = {
            it["LogicalResourceId"]: it["PhysicalResourceId"] for page in pages for it in page["StackResourceSummaries"]
        }
        template = formation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        self.template = json.loads(template) if isinstance(template, str) else template

    def client(self, service):
        """A client of one of the emulator's services."""
        return client(self.cloud, service)

    def address(self, logical_id="Api"):
        """Where the API of that name answers, behind the emulator's own address."""
        return f"/_aws/execute-api/{self.physical[logical_id]}/$default"

    def resolve(self, value, local=None):
        """A value of the template with its intrinsic functions done; only those that SAM puts into an API's body."""
        if isinstance(value, list):
            return [self.resolve(item, local) for item in value]
        if not isinstance(value, dict):
            return value
        if set(value) == {"Ref"}:
            return self.named(value["Ref"], local or {})
        if set(value) == {"Fn::GetAtt"}:
            return self.named(".".join(value["Fn::GetAtt"]), local or {})
        if set(value) == {"Fn::Sub"}:
            text = value["Fn::Sub"]
            if isinstance(text, list):
                text, local = text[0], {name: self.resolve(it) for name, it in text[1].items()}
            return VARIABLE.sub(lambda found: self.named(found[1], local or {}), text)
        return {name: self.resolve(item, local) for name, item in value.items()}

    def named(self, name, local):
        """What a name in an intrinsic function stands for."""
        pseudo = {
            "AWS::Region": REGION,
            "AWS::Partition": "aws",
            "AWS::AccountId": self.account,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": "amazonaws.com",
        }
        for names in (local, pseudo, self.parameters, self.physical):
            if name in names:
                return names[name]
        logical_id, _, attribute = name.partition(".")
        if attribute != "Arn":
            raise ValueError(f"{name} can't be resolved")
        return f"arn:aws:lambda:{REGION}:{self.account}:function:{self.physical[logical_id]}"

    def functions(self):
        """Logical ids of all functions."""
        resources = self.template["Resources"].items()
        return {name for name, resource in resources if resource["Type"] == "AWS::Lambda::Function"}

    def routes(self, logical_id="Api"):
        """Which function serves which method and path."""
        body = self.resolve(self.template["Resources"][logical_id]["Properties"]["Body"])
        functions = {self.physical[name]: name for name in self.functions()}
        served = {}
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                uri = operation["x-amazon-apigateway-integration"]["uri"]
                served[method.upper(), path] = functions[uri.split(":function:")[1].removesuffix("/invocations")]
        return served

    def complete_http_api(self, logical_id="Api"):
        """Makes the routes, integrations and authorizers of the OpenAPI body that SAM wrote. AWS does that from the body;
        the emulator leaves the body alone."""
        body = self.resolve(self.template["Resources"][logical_id]["Properties"]["Body"])
        gateway, api = self.client("apigatewayv2"), self.physical[logical_id]
        authorizers = {
            name: self._authorizer(gateway, api, name, scheme["x-amazon-apigateway-authorizer"])
            for name, scheme in body.get("components", {}).get("securitySchemes", {}).items()
        }
        routes = 0
        for path, methods in body["paths"].items():
            for method, operation in methods.items():
                integration = operation["x-amazon-apigateway-integration"]
                made = gateway.create_integration(
                    ApiId=api,
                    IntegrationType="AWS_PROXY",
                    IntegrationUri=integration["uri"],
                    PayloadFormatVersion=integration["payloadFormatVersion"],
                )
                wanted = [name for scheme in operation.get("security", []) for name in scheme]
                gateway.create_route(
                    ApiId=api,
                    RouteKey=f"{method.upper()} {path}",
                    Target=f"integrations/{made['IntegrationId']}",
                    **(authorizers[wanted[0]] if wanted else {}),
                )
                routes += 1
        return routes

    @staticmethod
    def _authorizer(gateway, api, name, described):
        sources = described["identitySource"]
        sources = [sources] if isinstance(sources, str) else sources
        if described["type"] == "jwt":
            issuer, audience = described["jwtConfiguration"]["issuer"], described["jwtConfiguration"]["audience"]
            made = gateway.create_authorizer(
                ApiId=api,
                Name=name,
                AuthorizerType="JWT",
                IdentitySource=sources,
                JwtConfiguration={"Issuer": issuer, "Audience": audience},
            )
            return {"AuthorizationType": "JWT", "AuthorizerId": made["AuthorizerId"]}
        made = gateway.create_authorizer(
            ApiId=api,
            Name=name,
            AuthorizerType="REQUEST",
            AuthorizerUri=described["authorizerUri"],
            AuthorizerPayloadFormatVersion=described["authorizerPayloadFormatVersion"],
            AuthorizerResultTtlInSeconds=described["authorizerResultTtlInSeconds"],
            EnableSimpleResponses=described["enableSimpleResponses"],
            IdentitySource=sources,
        )
        return {"AuthorizationType": "CUSTOM", "AuthorizerId": made["AuthorizerId"]}


def adapted(cloud, template):
    """The template, or a copy of it that the emulator takes and understands as AWS understands the original."""
    parsed = yaml_parse(template.read_text())
    resources = parsed["Resources"]
    lacking = [name for name, resource in resources.items() if resource["Type"] in LEFT_OUT]
    secrets = [name for name, resource in resources.items() if resource["Type"] == "AWS::SecretsManager::Secret"]
    if not lacking and not secrets:
        return template
    for name in lacking:
        print(f"left out: {name}")
        del resources[name]
    for resource in resources.values():
        properties = resource.get("Properties", {})
        if isinstance(properties.get("CodeUri"), str):
            properties["CodeUri"] = str(template.parent.resolve() / properties["CodeUri"])
        for policy in properties.get("Policies", []):
            # What a condition adds stands between its name and what there is without.
            for statement in policy.get("Fn::If", [None, policy])[1]["Statement"]:
                name = isinstance(statement["Resource"], dict) and statement["Resource"].get("Ref")
                if name in secrets:
                    statement["Resource"] = {"Fn::Sub": SECRET_ARN.replace("SECRET", name)}
                # The emulator sees no projection in a BatchGetItem, so that it would refuse what AWS allows.
                if statement["Action"] == ["dynamodb:BatchGetItem"]:
                    statement.pop("Condition", None)
    copy = cloud.home / "template.json"
    copy.write_text(json.dumps(parsed))
    return copy


def deploy(cloud, sam, template, name, parameters):
    """Deploys a template as its user would."""
    template = adapted(cloud, template)
    command = [
        sam, "deploy", "--template-file", template, "--stack-name", name, "--region", REGION, "--s3-bucket", BUCKET,
        "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
    ]  # fmt: skip
    if parameters:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    environment = {**cloud.environment, "SAM_CLI_TELEMETRY": "0"}
    done = subprocess.run(
        [str(part) for part in command], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        sys.exit(f"sam deploy of {template} failed:\n{done.stdout}\n{done.stderr}")
    return Stack(cloud, name)

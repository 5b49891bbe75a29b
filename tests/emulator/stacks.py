"""Stacks in the emulator: deployed by `sam deploy`, their HTTP APIs completed."""

import hashlib
import json
import re
import subprocess
import sys

import boto3
from samtranslator.yaml_helper import yaml_parse

from cloud import REGION

VARIABLE = re.compile(r"\$\{([^}]+)\}")


BUCKET = "artefacts"

# What is called of a function: the version that this alias leads to.
ALIAS = "live"

# What the emulator refuses a whole template for. Nothing that is tested here rests on them.
LEFT_OUT = {
    "AWS::CloudWatch::AnomalyDetector",
    "AWS::CloudWatch::CompositeAlarm",
    "AWS::Route53::RecordSetGroup",
    "AWS::SecretsManager::ResourcePolicy",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::WAFv2::WebACLAssociation",
}


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
        body = self.template["Resources"][logical_id]["Properties"]["Body"]
        functions = {self.physical[name]: name for name in self.functions()}
        served = {}
        for path, methods in self.resolve(body["paths"]).items():
            for method, operation in methods.items():
                uri = operation["x-amazon-apigateway-integration"]["uri"]
                called = uri.split(":function:")[1].removesuffix("/invocations")
                served[method.upper(), path] = functions[called.split(":")[0]]
        return served

    def renew(self, function, variables=None):
        """Puts a new version behind the alias, with other variables or the same ones, which it answers. The environments of
        the version before end, and with them the keys that they hold."""
        functions, name = self.client("lambda"), self.physical[function]
        before = functions.get_alias(FunctionName=name, Name=ALIAS)["FunctionVersion"]
        live = self.live(function)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": variables or live})
        version = functions.publish_version(FunctionName=name)["Version"]
        functions.update_alias(FunctionName=name, Name=ALIAS, FunctionVersion=version)
        functions.delete_function(FunctionName=name, Qualifier=before)
        return live

    def live(self, function):
        """The configuration of the version that is called."""
        name = self.physical[function]
        return self.client("lambda").get_function_configuration(FunctionName=name, Qualifier=ALIAS)

    def complete_http_api(self, logical_id="Api"):
        """Makes the routes, integrations and authorizers of the OpenAPI body that SAM wrote. AWS does that from the body;
        the emulator leaves the body alone."""
        body = self.template["Resources"][logical_id]["Properties"]["Body"]
        gateway, api = self.client("apigatewayv2"), self.physical[logical_id]
        authorizers = {
            name: self._authorizer(gateway, api, name, scheme["x-amazon-apigateway-authorizer"])
            for name, scheme in self.resolve(body.get("components", {}).get("securitySchemes", {})).items()
        }
        routes = 0
        for path, methods in self.resolve(body["paths"]).items():
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
            AuthorizerResultTtlInSeconds=described.get("authorizerResultTtlInSeconds", 0),
            EnableSimpleResponses=described.get("enableSimpleResponses", False),
            IdentitySource=sources,
        )
        return {"AuthorizationType": "CUSTOM", "AuthorizerId": made["AuthorizerId"]}


def adapted(cloud, template):
    """The template, or a copy of it that the emulator takes and understands as AWS understands the original."""
    parsed = yaml_parse(template.read_text())
    resources = parsed["Resources"]
    lacking = [name for name, resource in resources.items() if left_out(resource)]
    kinds = {resource["Type"] for resource in resources.values()}
    if not lacking and not kinds & {"AWS::SecretsManager::Secret", "AWS::DynamoDB::GlobalTable"}:
        return template
    for name in lacking:
        print(f"left out: {name}")
        del resources[name]
    parsed = as_on_aws(parsed, resources)
    resources = parsed["Resources"]
    for name, resource in resources.items():
        properties = resource.get("Properties", {})
        if isinstance(properties.get("CodeUri"), str):
            properties["CodeUri"] = str(template.parent.resolve() / properties["CodeUri"])
        if resource["Type"] == "AWS::DynamoDB::GlobalTable":
            # The emulator makes a new, empty table of one without a name whenever something about it changes.
            properties["TableName"] = {"Fn::Sub": f"${{AWS::StackName}}-{name}"}
        for policy in properties.get("Policies", []):
            # What a condition adds stands between its name and what there is without.
            for statement in policy.get("Fn::If", [None, policy])[1]["Statement"]:
                # The emulator sees no projection in a BatchGetItem, so that it would refuse what AWS allows.
                if statement["Action"] == ["dynamodb:BatchGetItem"]:
                    statement.pop("Condition", None)
    copy = cloud.home / "template.json"
    copy.write_text(json.dumps(parsed))
    return copy


def left_out(resource):
    """Whether the emulator refuses a template with this resource. It knows alarms on one metric only."""
    arithmetic = resource["Type"] == "AWS::CloudWatch::Alarm" and "Metrics" in resource["Properties"]
    return resource["Type"] in LEFT_OUT or arithmetic


def as_on_aws(value, resources):
    """The same with what the emulator answers otherwise asked otherwise: there a Ref to a secret is its name and on AWS its
    ARN, and the number of a version of AppConfig's is no text."""
    if isinstance(value, list):
        return [as_on_aws(item, resources) for item in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"} and kind(resources, value["Ref"]) == "AWS::SecretsManager::Secret":
        return {"Fn::GetAtt": [value["Ref"], "Id"]}
    asked = value.get("Fn::GetAtt")
    if asked and asked[1] == "VersionNumber":
        return {"Ref": asked[0]}
    return {name: as_on_aws(item, resources) for name, item in value.items()}


def kind(resources, name):
    """The type of a resource, if there is one of that name."""
    return resources.get(name, {}).get("Type")


def deploy(cloud, sam, template, name, parameters):
    """Deploys a template as its user would."""
    command = [
        "deploy", "--template-file", packaged(cloud, sam, template), "--stack-name", name, "--region", REGION,
        "--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM", "--no-confirm-changeset", "--no-progressbar",
    ]  # fmt: skip
    if parameters:
        command += ["--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items())]
    done(cloud, sam, command)
    return Stack(cloud, name)


def packaged(cloud, sam, template):
    """The template with its binaries uploaded, for which they are packed once and not with every deployment."""
    path = cloud.home / f"packaged-{hashlib.sha256(str(template).encode()).hexdigest()[:8]}.yaml"
    if path.exists():
        return path
    copy = adapted(cloud, template)
    # The examples have next to nothing to pack.
    if copy == template:
        return template
    command = ["package", "--template-file", copy, "--s3-bucket", BUCKET, "--region", REGION]
    done(cloud, sam, [*command, "--output-template-file", path, "--no-progressbar"])
    return path


def done(cloud, sam, command):
    """Runs a command of SAM's."""
    ran = subprocess.run(
        [str(part) for part in (sam, *command)],
        env={**cloud.environment, "SAM_CLI_TELEMETRY": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if ran.returncode != 0:
        sys.exit(f"sam {command[0]} of {command[2]} failed:\n{ran.stdout}\n{ran.stderr}")

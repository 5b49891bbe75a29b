//! A deployed stack's variables, read from its CloudFormation outputs and parameters.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata as _;
use aws_sdk_cloudformation::types::Stack;

use crate::failure::Failure;
use crate::settings::SIGNING_ALGORITHM;
use crate::variables::Variables;

/// Outputs of template.yaml, and the variables that they are.
const OUTPUTS: [(&str, &str); 8] = [
    ("CredentialsTableName", "OSTIARY_TABLE_CREDENTIALS"),
    ("UsersTableName", "OSTIARY_TABLE_USERS"),
    ("TicketsTableName", "OSTIARY_TABLE_TICKETS"),
    ("AuthHeadersTableName", "OSTIARY_TABLE_AUTH_HEADERS"),
    ("ApplicationsTableName", "OSTIARY_TABLE_APPLICATIONS"),
    ("KeysetSecretArn", "OSTIARY_KEYSET_SECRET_ID"),
    ("DefaultTenant", "OSTIARY_DEFAULT_TENANT"),
    ("SigningAlgorithm", SIGNING_ALGORITHM),
];

/// The variable by which the output is passed on that names the functions' log group; a stack that was deployed before
/// there was one can still be operated.
pub const FUNCTION_LOGS: &str = "OSTIARY_FUNCTION_LOGS";

/// Outputs that a stack need not have, and the variables that they are.
const OPTIONAL: [(&str, &str); 2] =
    [("FunctionLogsName", FUNCTION_LOGS), ("PepperSecretArn", "OSTIARY_PEPPER_SECRET_ID")];

/// Parameters of template.yaml, and the variables that they are.
const PARAMETERS: [(&str, &str); 12] = [
    ("Argon2MemoryKiB", "OSTIARY_ARGON2_MEMORY_KIB"),
    ("Argon2Iterations", "OSTIARY_ARGON2_ITERATIONS"),
    ("Argon2Parallelism", "OSTIARY_ARGON2_PARALLELISM"),
    ("Pepper", "OSTIARY_PEPPER"),
    ("LoginJwtSeconds", "OSTIARY_LOGIN_JWT_SECONDS"),
    ("LoginMaxSeconds", "OSTIARY_LOGIN_MAX_SECONDS"),
    ("ProfileJwtSeconds", "OSTIARY_PROFILE_JWT_SECONDS"),
    ("ProfileJwtMaxSeconds", "OSTIARY_PROFILE_JWT_MAX_SECONDS"),
    ("TicketIdleSeconds", "OSTIARY_TICKET_IDLE_SECONDS"),
    ("TicketMaxSeconds", "OSTIARY_TICKET_MAX_SECONDS"),
    ("EventBusName", "OSTIARY_EVENT_BUS"),
    ("VerifyUrl", "OSTIARY_VERIFY_URL"),
];

/// Reads the stack named `name`.
pub async fn variables(client: &Client, name: &str) -> Result<Variables, Failure> {
    let answer = client.describe_stacks().stack_name(name).send().await.map_err(|error| {
        let unknown = error.code() == Some("ValidationError");
        let missing = unknown && error.message().is_some_and(|message| message.contains("does not exist"));
        if missing {
            Failure::refused("stack", format!("there is no stack {name} in this account and region"))
        } else {
            Failure::of_aws("DescribeStacks", &error)
        }
    })?;
    let [stack] = answer.stacks() else {
        return Err(Failure::refused("stack", format!("there is no stack {name} in this account and region")));
    };
    of_stack(name, stack)
}

fn of_stack(name: &str, stack: &Stack) -> Result<Variables, Failure> {
    let outputs: BTreeMap<_, _> =
        stack.outputs().iter().filter_map(|output| Some((output.output_key()?, output.output_value()?))).collect();
    let parameters: BTreeMap<_, _> = stack
        .parameters()
        .iter()
        .filter_map(|parameter| Some((parameter.parameter_key()?, parameter.parameter_value()?)))
        .collect();
    let mut variables = Variables::new();
    for (output, variable) in OUTPUTS {
        let value = outputs.get(output).ok_or_else(|| {
            let status = stack.stack_status().map_or("unknown", |status| status.as_str());
            let message = format!("the stack {name} ({status}) has no output {output}: is it Ostiary, and deployed?");
            Failure::refused("stack", message)
        })?;
        variables.insert(variable.to_owned(), (*value).to_owned());
    }
    for (output, variable) in OPTIONAL {
        if let Some(value) = outputs.get(output) {
            variables.insert(variable.to_owned(), (*value).to_owned());
        }
    }
    for (parameter, variable) in PARAMETERS {
        if let Some(value) = parameters.get(parameter) {
            variables.insert(variable.to_owned(), (*value).to_owned());
        }
    }
    Ok(variables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_has_these_outputs_and_parameters() {
        let template = include_str!("../../template.yaml");
        let (parameters, rest) = template.split_once("\nConditions:\n").unwrap();
        let (_, outputs) = rest.split_once("\nOutputs:\n").unwrap();
        for output in OUTPUTS.into_iter().chain(OPTIONAL).map(|(output, _)| output) {
            assert!(outputs.contains(&format!("\n  {output}:\n")), "{output}");
        }
        for (parameter, variable) in PARAMETERS {
            assert!(parameters.contains(&format!("\n  {parameter}:\n")), "{parameter}");
            assert!(rest.contains(&format!(" {variable}: !Ref {parameter}\n")), "{variable}");
        }
    }

    #[test]
    fn another_stack_is_refused() {
        let failure = of_stack("shop", &Stack::builder().build()).err().unwrap();
        assert!(failure.to_string().contains("has no output CredentialsTableName"), "{failure}");
        assert_eq!(failure.exit_code(), 1);
    }
}

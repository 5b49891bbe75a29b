//! `ostiary`, the operator's tool: tenants, users, access tokens and signing keys of a stack.
//!
//! Data goes to standard output and errors to standard error. Passwords and keys are neither taken from arguments nor
//! printed; an access token is printed once, when it is made.

mod access_token;
mod arguments;
mod audit;
mod confirm;
mod connection;
mod cost;
#[cfg(test)]
mod documented;
mod export;
mod failure;
mod import;
mod kdf;
mod keys;
mod output;
mod password;
mod pepper;
mod record;
mod restore;
mod settings;
mod stack;
mod tenant;
mod text;
mod user;
mod variables;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{
    AccessTokenCommand, Arguments, Command, KdfCommand, KeysCommand, PepperCommand, TenantCommand, UserCommand,
};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Answer;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return output::misuse(&error, std::env::args_os()),
    };
    let form = arguments.global.output;
    if let Command::Completions { shell } = arguments.command {
        return output::completions(shell);
    }
    let alone = match &arguments.command {
        Command::Cost(cost) => Some(cost::run(cost)),
        Command::Kdf(KdfCommand::Calibrate(asked)) => Some(kdf::calibrate(asked)),
        _ => None,
    };
    if let Some(result) = alone {
        return match result.and_then(|answer| output::print(&answer, form)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => output::report(&failure, None, form),
        };
    }
    let connection = match Connection::open(&arguments.global).await {
        Ok(connection) => connection,
        Err(failure) => return output::report(&failure, None, form),
    };
    let act = audit::name(&arguments.command);
    let command = Box::pin(run(arguments.command, &connection));
    let (result, event) = match act {
        Some(act) => {
            let (result, event) = audit::of(act, command).await;
            (result, Some(event))
        }
        None => (command.await, None),
    };
    // Printed first: an access token is shown only once, and must not be lost while a log is waited for.
    let told = result.map_err(|failure| connection.explain(failure)).and_then(|answer| output::print(&answer, form));
    let warning = match &event {
        Some(event) => audit::keep(event, &connection).await,
        None => None,
    };
    match told {
        Ok(()) => {
            if let Some(warning) = warning {
                output::warn(&warning, form);
            }
            ExitCode::SUCCESS
        }
        Err(failure) => output::report(&failure, warning.as_deref(), form),
    }
}

async fn run(command: Command, connection: &Connection) -> Result<Answer, Failure> {
    match command {
        Command::Tenant(TenantCommand::Create { name }) => tenant::create(connection, name).await,
        Command::Tenant(TenantCommand::List) => tenant::list(connection).await,
        Command::Tenant(TenantCommand::Show { name }) => tenant::show(connection, &name).await,
        Command::Tenant(TenantCommand::Set(set)) => tenant::set(connection, *set).await,
        Command::Tenant(TenantCommand::Delete(delete)) => tenant::delete(connection, delete).await,
        Command::User(UserCommand::Create(new)) => user::create(connection, *new).await,
        Command::User(UserCommand::List(list)) => user::list(connection, list).await,
        Command::User(UserCommand::Show(which)) => user::show(connection, which).await,
        Command::User(UserCommand::Update(update)) => user::update(connection, *update).await,
        Command::User(UserCommand::SetPassword(set)) => user::set_password(connection, set).await,
        Command::User(UserCommand::ExpirePassword(expire)) => user::expire(connection, expire).await,
        Command::User(UserCommand::Disable(which)) => user::set_enabled(connection, which, false).await,
        Command::User(UserCommand::Enable(which)) => user::set_enabled(connection, which, true).await,
        Command::User(UserCommand::Unlock(which)) => user::unlock(connection, which).await,
        Command::User(UserCommand::SendVerification(which)) => user::send_verification(connection, which).await,
        Command::User(UserCommand::Delete(delete)) => user::delete(connection, delete).await,
        Command::AccessToken(AccessTokenCommand::Create(new)) => access_token::create(connection, new).await,
        Command::AccessToken(AccessTokenCommand::List) => access_token::list(connection).await,
        Command::AccessToken(AccessTokenCommand::Delete { which }) => access_token::delete(connection, which).await,
        Command::Keys(KeysCommand::Init { algorithm }) => keys::init(connection, algorithm).await,
        Command::Keys(KeysCommand::Rotate { no_wait }) => keys::rotate(connection, !no_wait).await,
        Command::Keys(KeysCommand::Retire { kids, yes }) => keys::retire(connection, &kids, yes).await,
        Command::Keys(KeysCommand::Show) => keys::show(connection).await,
        // Answered before there is a connection.
        Command::Completions { .. } | Command::Cost(_) | Command::Kdf(_) => {
            Err(Failure::Setup("this needs no stack".to_owned()))
        }
        Command::Import(import) => import::run(connection, *import).await,
        Command::Export(export) => export::run(connection, *export).await,
        Command::Restore(restore) => restore::run(connection, *restore).await,
        Command::Pepper(PepperCommand::Init) => pepper::init(connection).await,
        Command::Pepper(PepperCommand::Rotate) => pepper::rotate(connection).await,
        Command::Pepper(PepperCommand::Drop { keyid, yes }) => pepper::drop(connection, &keyid, yes).await,
        Command::Pepper(PepperCommand::Show) => pepper::show(connection).await,
    }
}

//! What a lane does. After an answer that says nothing of what came of it, it does what a client does: it looks, or asks
//! again, and that has to work.

use serde_json::{Value, json};
use tests::Call;

use crate::lane::{Flaw, Lane, Person, with_header, with_jwt};

/// With so many people a lane stops making more.
const CROWD: usize = 12;
/// And with so many of each kind of credential of one of them.
const ENOUGH: usize = 6;

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer}")).to_owned()
}

impl Lane {
    /// One operation, of those that are possible.
    pub async fn step(&mut self) {
        if self.people.len() < 2 {
            return self.create_person().await;
        }
        let who = self.below(self.people.len());
        match self.below(100) {
            0..6 if self.people.len() < CROWD => self.create_person().await,
            6..9 => self.create_profile().await,
            9..26 => self.log_in(who).await,
            26..34 => self.open_ticket(who).await,
            34..38 => self.end_ticket(who).await,
            38..46 => self.add_header(who).await,
            46..51 => self.rotate_header(who).await,
            51..56 => self.delete_header(who).await,
            56..64 => self.renew(who).await,
            64..67 => self.change_password(who).await,
            67..71 => self.begin_series(who).await,
            71..77 => self.refresh_series(who).await,
            77..79 => self.end_series(who).await,
            79..82 => self.create_token().await,
            82..84 => self.delete_token().await,
            84..87 => self.create_tenant().await,
            87..89 => self.update_tenant().await,
            89..91 => self.delete_tenant().await,
            91..94 => self.change_address(who).await,
            94..95 => self.delete_person(who).await,
            95..97 => self.log_out(who).await,
            97..98 => self.disable(who).await,
            _ => self.use_something(who).await,
        }
    }

    async fn create_person(&mut self) {
        let name = self.fresh("p");
        let email = format!("{name}@example.com");
        let password = format!("Lanterns over the {name}");
        let call = self.by_full(Call::to("api1-profile-create").parameters(&[
            ("tenantName", &self.tenant),
            ("username", &name),
            ("password", &password),
            ("email", &email),
            ("enabled", "true"),
        ]));
        let by_name = [("tenantName", self.tenant.as_str()), ("username", &name)];
        let by_name = self.by_full(Call::to("api1-profile-by-username").parameters(&by_name));
        let answer = match self.act(call.clone()).await {
            Some(answer) => Some(answer),
            // Either it was made, or its names are free.
            None if self.look(&by_name).await.status() == 200 => self.must(Flaw::Lost, &by_name).await,
            None => self.must(Flaw::Conflict, &call).await,
        };
        let Some(answer) = answer else { return };
        let id = text(&answer, "id");
        self.people.push(Person { id, name, email, password, ..Person::default() });
    }

    async fn create_profile(&mut self) {
        let name = self.fresh("profile");
        let body = json!({ "applicationId": "full", "name": name });
        let call = Call::to("profile-create").header("x-api-key", &self.full).json(&body);
        if let Some(answer) = self.act(call).await {
            let get = Call::to("profile-get").id(&text(&answer, "id")).header("x-api-key", &self.full);
            self.must(Flaw::Lost, &get).await;
        }
    }

    async fn log_in(&mut self, who: usize) {
        let name = if self.below(100) < 30 { &self.people[who].email } else { &self.people[who].name };
        let call = self.login(name, &self.people[who].password);
        match self.act(call).await {
            Some(answer) => {
                self.people[who].stored_tickets.add();
                self.people[who].jwt = Some(text(&answer, "Token"));
            }
            None => self.people[who].stored_tickets.may_have_added(),
        }
    }

    async fn open_ticket(&mut self, who: usize) {
        let person = &self.people[who];
        if person.tickets.len() >= ENOUGH {
            return self.end_ticket_of(who).await;
        }
        let call = if self.below(100) < 50 {
            Call::to("ticket-create").parameters(&[("profileId", &person.id)])
        } else {
            let password = person.password.as_str();
            let fields = [("tenantName", self.tenant.as_str()), ("username", &person.name), ("password", password)];
            Call::to("ticket-authenticate").parameters(&fields)
        };
        match self.act(self.by_full(call)).await {
            Some(answer) => {
                self.people[who].stored_tickets.add();
                self.people[who].tickets.push(text(&answer, "id"));
            }
            None => self.people[who].stored_tickets.may_have_added(),
        }
    }

    async fn end_ticket(&mut self, who: usize) {
        if self.people[who].tickets.is_empty() {
            return self.open_ticket(who).await;
        }
        self.end_ticket_of(who).await;
    }

    async fn end_ticket_of(&mut self, who: usize) {
        let ticket = self.people[who].tickets.pop().unwrap();
        let get = self.by_full(Call::to("ticket-get").id(&ticket));
        let call = self.by_full(Call::to("ticket-invalidate").id(&ticket));
        if self.act(call.clone()).await.is_none() && self.look(&get).await.status() == 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.people[who].stored_tickets.remove();
        self.ended.push((get, 404));
    }

    /// The JWT of somebody, who logs in for it if need be.
    async fn jwt_of(&mut self, who: usize) -> Option<String> {
        if self.people[who].jwt.is_none() {
            Box::pin(self.log_in(who)).await;
        }
        self.people[who].jwt.clone()
    }

    async fn add_header(&mut self, who: usize) {
        if self.people[who].headers.len() >= ENOUGH {
            return self.delete_header(who).await;
        }
        let Some(jwt) = self.jwt_of(who).await else { return };
        let call = Call::to("authheader-add").bearer(&jwt).json(&json!({ "name": "key" }));
        match self.act(call).await {
            Some(answer) => self.people[who].headers.push(text(&answer, "token")),
            None => self.count_unreturned(who).await,
        }
    }

    /// Looks whether an auth header was stored that nobody was given.
    async fn count_unreturned(&mut self, who: usize) {
        let person = &self.people[who];
        let more = self.live_headers(person).await.saturating_sub(person.headers.len() + person.unreturned);
        self.people[who].unreturned += more;
        self.tally.unreturned += more;
    }

    async fn rotate_header(&mut self, who: usize) {
        let Some(jwt) = self.jwt_of(who).await else { return };
        let Some(old) = self.people[who].headers.pop() else { return self.add_header(who).await };
        let call = Call::to("authheader-rotate").bearer(&jwt).json(&json!({ "text": old, "overlap": 0 }));
        match self.act(call).await {
            Some(answer) => {
                self.people[who].headers.push(text(&answer, "token"));
                self.ended.push((with_header(&old), 401));
            }
            None if self.look(&with_header(&old)).await.status() == 200 => self.people[who].headers.push(old),
            None => self.count_unreturned(who).await,
        }
    }

    async fn delete_header(&mut self, who: usize) {
        let Some(jwt) = self.jwt_of(who).await else { return };
        let Some(header) = self.people[who].headers.pop() else { return };
        let call = Call::to("authheader-delete").bearer(&jwt).json(&json!({ "text": header }));
        if self.act(call.clone()).await.is_none() && self.look(&with_header(&header)).await.status() == 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.ended.push((with_header(&header), 401));
    }

    async fn renew(&mut self, who: usize) {
        let Some(old) = self.jwt_of(who).await else { return };
        let call = Call::to("user-renew").bearer(&old);
        let answer = match self.act(call.clone()).await {
            Some(answer) => Some(answer),
            // Whoever was not told can renew once more with what it has.
            None => self.must(Flaw::Lost, &call).await,
        };
        if let Some(answer) = answer {
            self.people[who].jwt = Some(text(&answer, "Token"));
            self.ended.push((with_jwt(&old), 401));
        }
    }

    async fn change_password(&mut self, who: usize) {
        let new = format!("Bells under the {}", self.fresh("bridge"));
        let Person { name, password: old, .. } = self.people[who].clone();
        let username = format!("{}/{name}", self.tenant);
        let body = json!({ "username": username, "old": old, "new": new, "confirm": new });
        if self.act(Call::to("user-password").json(&body)).await.is_none() {
            let changed = self.look(&self.login(&name, &new)).await.status() == 200;
            let kept = self.look(&self.login(&name, &old)).await.status() == 200;
            self.people[who].stored_tickets.add();
            if changed == kept {
                self.tally.flaws.push((Flaw::Lost, format!("one password, not both or none: {changed} {kept}")));
            }
            if kept {
                return;
            }
        }
        self.people[who].password = new;
        self.sessions_ended(who);
        self.ended.push((self.login(&name, &old), 401));
    }

    /// All sessions of somebody have ended; what is stored of them is swept some day.
    fn sessions_ended(&mut self, who: usize) {
        let person = &mut self.people[who];
        let (jwt, tickets) = (person.jwt.take(), std::mem::take(&mut person.tickets));
        let series = std::mem::take(&mut person.series);
        self.ended.extend(jwt.map(|jwt| (with_jwt(&jwt), 401)));
        let tickets = tickets.iter().map(|ticket| (self.by_full(Call::to("ticket-get").id(ticket)), 404));
        let series = series.iter().map(|(id, _)| (self.by_full(Call::to("persistent-login-get").id(id)), 404));
        let over: Vec<_> = tickets.chain(series).collect();
        self.ended.extend(over);
    }

    async fn begin_series(&mut self, who: usize) {
        if self.people[who].series.len() >= ENOUGH {
            return self.end_series(who).await;
        }
        let call = Call::to("persistent-login-create").parameters(&[("profileId", &self.people[who].id)]);
        if let Some(answer) = self.act(self.by_full(call)).await {
            self.people[who].series.push((text(&answer, "id"), text(&answer, "token")));
        }
    }

    async fn refresh_series(&mut self, who: usize) {
        if self.people[who].series.is_empty() {
            return self.begin_series(who).await;
        }
        let which = self.below(self.people[who].series.len());
        let (id, token) = self.people[who].series[which].clone();
        let call = Call::to("persistent-login-refresh").id(&id).parameters(&[("token", &token)]);
        let call = self.by_full(call);
        let answer = match self.act(call.clone()).await {
            Some(answer) => Some(answer),
            // The browser shows the token that it has, which must not be taken for a copy.
            None => self.must(Flaw::Lost, &call).await,
        };
        if let Some(answer) = answer {
            self.people[who].series[which].1 = text(&answer, "token");
        }
    }

    async fn end_series(&mut self, who: usize) {
        let Some((id, _)) = self.people[who].series.pop() else { return };
        let call = self.by_full(Call::to("persistent-login-delete").id(&id));
        if self.act(call.clone()).await.is_none() {
            self.must(Flaw::Conflict, &call).await;
        }
        self.ended.push((self.by_full(Call::to("persistent-login-get").id(&id)), 404));
    }

    async fn create_token(&mut self) {
        if self.tokens.len() >= ENOUGH {
            return self.delete_token().await;
        }
        let permissions = json!([{ "tenant": self.tenant, "allowedActions": ["*"] }]);
        let body = json!({
            "application": format!("shop-{}", self.tenant), "master": false, "tenantPermissions": permissions,
            "expiresOn": null,
        });
        match self.act(self.by_master(Call::to("access-token-create").json(&body))).await {
            Some(answer) => {
                self.stored_tokens.add();
                self.tokens.push(text(&answer, "id"));
            }
            None => self.stored_tokens.may_have_added(),
        }
    }

    async fn delete_token(&mut self) {
        let Some(token) = self.tokens.pop() else { return };
        let call = self.by_master(Call::to("access-token-delete").id(&token));
        if self.act(call.clone()).await.is_none() {
            self.must(Flaw::Conflict, &call).await;
        }
        self.stored_tokens.remove();
        self.ended.push((Call::to("tenant-get").id(&self.tenant).header(tests::good::KEY, &token), 403));
    }

    fn described(name: &str) -> Value {
        json!({ "name": name, "verifyNewProfiles": false, "availableRoles": ["reader"], "ssoEnabled": false })
    }

    async fn create_tenant(&mut self) {
        if self.tenants.len() >= ENOUGH {
            return self.delete_tenant().await;
        }
        let name = self.fresh("t");
        let call = self.by_master(Call::to("tenant-create").json(&Self::described(&name)));
        let get = self.by_master(Call::to("tenant-get").id(&name));
        if self.act(call.clone()).await.is_none() && self.look(&get).await.status() != 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.tenants.push(name);
    }

    async fn update_tenant(&mut self) {
        let Some(name) = self.tenants.last().cloned() else { return self.create_tenant().await };
        let call = self.by_master(Call::to("tenant-update").json(&Self::described(&name)));
        if self.act(call.clone()).await.is_none() {
            self.must(Flaw::Conflict, &call).await;
        }
    }

    async fn delete_tenant(&mut self) {
        let Some(name) = self.tenants.pop() else { return };
        let call = self.by_master(Call::to("tenant-delete").id(&name));
        let get = self.by_master(Call::to("tenant-get").id(&name));
        if self.act(call.clone()).await.is_none() && self.look(&get).await.status() == 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.ended.push((get, 404));
    }

    async fn change_address(&mut self, who: usize) {
        let new = format!("{}@example.com", self.fresh("a"));
        let Person { id, email: old, password, .. } = self.people[who].clone();
        let call = self.by_full(Call::to("api1-profile-update").id(&id).parameters(&[("email", &new)]));
        if self.act(call.clone()).await.is_none() && self.look(&self.login(&new, &password)).await.status() == 200 {
            self.people[who].stored_tickets.add();
        } else {
            // Done, or to be done again.
            self.must(Flaw::Conflict, &call).await;
        }
        self.people[who].email = new;
        self.ended.push((self.login(&old, &password), 401));
    }

    async fn delete_person(&mut self, who: usize) {
        if self.people.len() < CROWD / 2 {
            return;
        }
        let call = self.by_full(Call::to("api1-profile-delete").id(&self.people[who].id));
        let get = self.by_full(Call::to("api1-profile-get").id(&self.people[who].id));
        if self.act(call.clone()).await.is_none() && self.look(&get).await.status() == 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.sessions_ended(who);
        let person = self.people.swap_remove(who);
        self.ended.extend(person.headers.iter().map(|header| (with_header(header), 401)));
        let name = self.login(&person.name, &person.password);
        let email = self.login(&person.email, &person.password);
        self.ended.extend([(name, 401), (email, 401)]);
    }

    async fn log_out(&mut self, who: usize) {
        let Some(jwt) = self.people[who].jwt.take() else { return };
        let call = Call::to("user-logout").bearer(&jwt);
        if self.act(call.clone()).await.is_none() && self.look(&with_jwt(&jwt)).await.status() == 200 {
            self.must(Flaw::Conflict, &call).await;
        }
        self.people[who].stored_tickets.remove();
        self.ended.push((with_jwt(&jwt), 401));
    }

    /// Ends everything of somebody, who may then come again.
    async fn disable(&mut self, who: usize) {
        for name in ["api1-profile-disable", "api1-profile-enable"] {
            let call = self.by_full(Call::to(name).id(&self.people[who].id));
            if self.act(call.clone()).await.is_none() {
                self.must(Flaw::Conflict, &call).await;
            }
        }
        self.sessions_ended(who);
        let headers = std::mem::take(&mut self.people[who].headers);
        self.ended.extend(headers.iter().map(|header| (with_header(header), 401)));
        // They are stored, and dead: `live_headers` knows ends only.
        self.people[who].unreturned += headers.len();
    }

    /// What is good is never refused.
    async fn use_something(&mut self, who: usize) {
        let person = &self.people[who];
        let mut calls: Vec<Call> = person.headers.iter().map(|header| with_header(header)).collect();
        calls.extend(person.jwt.iter().map(|jwt| with_jwt(jwt)));
        calls.extend(person.tickets.iter().map(|ticket| self.by_full(Call::to("ticket-get").id(ticket))));
        if !calls.is_empty() {
            let call = calls.swap_remove(self.below(calls.len()));
            self.act(call).await;
        }
    }
}

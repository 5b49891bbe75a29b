//! What things cost: one file, read whole or not at all.

use serde::Deserialize;

/// Prices of a region.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// Whose they are.
    pub region: String,
    /// When somebody last looked at them.
    pub as_of: String,
    /// Each of them.
    #[serde(rename = "prices")]
    pub list: List,
}

/// Prices by what is paid for, in dollars a month where a thing is kept and dollars each where it is done.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct List {
    pub api_requests: Price,
    pub lambda_requests: Price,
    pub lambda_gb_seconds_x86_64: Price,
    pub lambda_gb_seconds_arm64: Price,
    pub dynamodb_reads: Price,
    pub dynamodb_writes: Price,
    pub dynamodb_replicated_writes: Price,
    pub dynamodb_gb: Price,
    pub dynamodb_recovery_gb: Price,
    pub logs_gb: Price,
    pub logs_kept_gb: Price,
    pub metrics: Price,
    pub alarms: Price,
    pub dashboards: Price,
    pub secrets: Price,
    pub secret_reads: Price,
    pub keys: Price,
    pub key_requests: Price,
    pub messages: Price,
    pub data_out_gb: Price,
    pub data_between_regions_gb: Price,
    pub edge_requests: Price,
    pub edge_functions: Price,
    pub edge_data_out_gb: Price,
    pub firewalls: Price,
    pub firewall_rules: Price,
    pub firewall_requests: Price,
    pub cognito_lite: Price,
    pub cognito_essentials: Price,
}

/// A price, which may fall with the amount.
#[derive(Deserialize)]
#[serde(try_from = "Written")]
pub struct Price {
    tiers: Vec<Tier>,
    per: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    per: f64,
    dollars: Option<f64>,
    tiers: Option<Vec<Tier>>,
    /// The page that decides; for whoever reads the file.
    #[serde(rename = "source")]
    _source: String,
    /// Where the number was read.
    #[serde(rename = "read")]
    _read: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tier {
    /// The last unit of it; none for the last tier.
    up_to: Option<f64>,
    dollars: f64,
}

impl TryFrom<Written> for Price {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let sane = |dollars: f64| (0.0..=1e6).contains(&dollars);
        let tiers = match (written.dollars, written.tiers) {
            (Some(dollars), None) => vec![Tier { up_to: None, dollars }],
            (None, Some(tiers)) => tiers,
            _ => return Err("a price must have either dollars or tiers"),
        };
        if !(1.0..=1e12).contains(&written.per) {
            return Err("per must be a number from 1 to 1,000,000,000,000");
        }
        if !tiers.iter().all(|tier| sane(tier.dollars)) {
            return Err("dollars must be a number from 0 to 1,000,000");
        }
        let ends: Vec<f64> = tiers.iter().filter_map(|tier| tier.up_to).collect();
        let ends_rise = std::iter::once(&0.0).chain(&ends).zip(&ends).all(|(before, end)| before < end);
        let only_last_is_open = tiers
            .split_last()
            .is_some_and(|(last, others)| last.up_to.is_none() && others.iter().all(|tier| tier.up_to.is_some()));
        if !ends_rise || !only_last_is_open {
            return Err("tiers must rise in up_to, and the last one, and no other, must have none");
        }
        Ok(Self { tiers, per: written.per })
    }
}

impl Price {
    /// What an amount costs, each part of it by its own tier.
    pub fn of(&self, amount: f64) -> f64 {
        let mut dollars = 0.0;
        let mut below = 0.0;
        for tier in &self.tiers {
            let end = tier.up_to.unwrap_or(f64::INFINITY).min(amount);
            if end > below {
                dollars += (end - below) / self.per * tier.dollars;
                below = end;
            }
        }
        dollars
    }
}

/// Reads a file of prices; the error says what is wrong with it.
pub fn parse(text: &str) -> Result<Prices, String> {
    yaml_serde::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = include_str!("../../prices.yaml");

    fn price(text: &str) -> Result<Price, String> {
        let text = format!("{{{text}, source: x, read: y}}");
        yaml_serde::from_str(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn each_part_of_an_amount_has_the_price_of_its_tier() {
        let list = parse(OURS).unwrap().list;
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
        near(list.cognito_essentials.of(100_000.0), 1350.0);
        near(list.cognito_essentials.of(9_999.0), 0.0);
        near(list.cognito_lite.of(100_000.0), 495.0);
        near(list.cognito_lite.of(1_000_000.0), 4635.0);
        near(list.api_requests.of(300_000_000.0), 300.0);
        near(list.api_requests.of(301_000_000.0), 300.9);
        near(list.dynamodb_writes.of(2_000_000.0), 1.25);
    }

    #[test]
    fn a_price_that_can_not_be_one_is_refused() {
        for (text, rule) in [
            ("per: 1", "either dollars or tiers"),
            ("per: 1, dollars: 1, tiers: []", "either dollars or tiers"),
            ("per: 0, dollars: 1", "per must be"),
            ("per: .nan, dollars: 1", "per must be"),
            ("per: 1, dollars: -0.1", "dollars must be"),
            ("per: 1, dollars: .inf", "dollars must be"),
            ("per: 1, tiers: []", "tiers must rise"),
            ("per: 1, tiers: [{up_to: 5, dollars: 1}]", "tiers must rise"),
            ("per: 1, tiers: [{up_to: 5, dollars: 1}, {up_to: 5, dollars: 1}, {dollars: 1}]", "tiers must rise"),
            ("per: 1, tiers: [{dollars: 1}, {dollars: 1}]", "tiers must rise"),
            ("per: 1, dollars: 1, currency: EUR", "unknown field"),
        ] {
            let error = price(text).err().unwrap_or_default();
            assert!(error.contains(rule), "{text}: {error}");
        }
        assert!(price("per: 1, dollars: 0").is_ok());
    }

    #[test]
    fn a_file_that_lacks_a_price_names_it() {
        let text: String = OURS.split_inclusive('\n').filter(|line| !line.contains("hivebook")).collect();
        let error = parse(&text).err().unwrap_or_default();
        assert!(error.contains("secret"), "{error}");
        let text = OURS.replace("  alarms:", "  bells:");
        assert!(parse(&text).err().unwrap_or_default().contains("bells"));
    }
}

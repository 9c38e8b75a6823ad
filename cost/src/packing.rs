//! How many execution environments an instance holds, and which type of instance is cheapest for a fleet.
//!
//! Lambda keeps 1 vCPU and 1 GiB of each instance for itself. No page of the developer guide says so; AWS's own cost
//! calculator reckons with it ("LMI reserves 1 vCPU and 1 GB"), and its Monte Carlo sample saw three environments of
//! 2 vCPUs on an instance of 8.

use serde::Serialize;

use crate::prices::{Architecture, InstanceType, Name, Prices};

/// vCPUs of each instance that Lambda keeps for itself.
pub(crate) const RESERVED_VCPU: f64 = 1.0;
/// GiB of each instance that Lambda keeps for itself.
pub(crate) const RESERVED_GIB: f64 = 1.0;
/// Zones of a default deployment. Three environments of a version start in different ones.
pub(crate) const ZONES: u64 = 3;

/// The size of an execution environment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Environment {
    /// Memory, in MiB: `memory_mib` of Terraform.
    pub memory_mib: u32,
    /// GiB for each vCPU: `memory_gib_per_vcpu`, 2, 4 or 8.
    pub gib_per_vcpu: u32,
}

impl Environment {
    /// Memory in GiB.
    pub fn gib(self) -> f64 {
        f64::from(self.memory_mib) / 1_024.0
    }

    /// vCPUs, as Managed Instances give them.
    pub fn vcpu(self) -> f64 {
        self.gib() / f64::from(self.gib_per_vcpu)
    }

    /// How many an instance holds.
    pub fn on(self, instance: &InstanceType) -> u64 {
        let by_vcpu = (instance.vcpu - RESERVED_VCPU) / self.vcpu();
        let by_memory = (instance.gib - RESERVED_GIB) / self.gib();
        by_vcpu.min(by_memory).floor().max(0.0) as u64
    }
}

/// A fleet of environments on one type of instance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Packed {
    /// The type.
    pub instance: InstanceType,
    /// Environments on each.
    pub environments_each: u64,
    /// Instances of the fleet.
    pub instances: u64,
    /// Part of an instance's vCPUs that no environment gets, if it is full: what Lambda keeps included.
    pub vcpu_unused: f64,
    /// The same of its memory.
    pub memory_unused: f64,
    /// A full instance's price and fee for each environment, US dollars an hour.
    pub usd_per_environment_hour: f64,
    /// The whole fleet with the fee, on demand, US dollars an hour.
    pub usd_per_hour: f64,
}

/// What a fleet takes on each type of instance that can hold its environments, the cheapest fleet first.
///
/// `types` are the types to choose from, as `c7g.xlarge` or `c7g.*`; none means all. Environments start in as many zones
/// as there are, so that a fleet has three instances as soon as it has three environments.
pub fn packings(
    environment: Environment,
    environments: u64,
    architecture: Architecture,
    types: &[String],
    prices: &Prices,
) -> Vec<Packed> {
    let fee = 1.0 + prices.cost(Name::ManagedFee, 1.0);
    let allowed = |one: &&InstanceType| {
        one.architecture == architecture
            && (types.is_empty() || types.iter().any(|pattern| matches(pattern, &one.name)))
    };
    let mut found: Vec<Packed> = prices
        .instances()
        .iter()
        .filter(allowed)
        .filter_map(|instance| {
            let each = environment.on(instance);
            if each == 0 {
                return None;
            }
            let instances = environments.div_ceil(each).max(environments.min(ZONES));
            let used = each as f64;
            Some(Packed {
                environments_each: each,
                instances,
                vcpu_unused: 1.0 - used * environment.vcpu() / instance.vcpu,
                memory_unused: 1.0 - used * environment.gib() / instance.gib,
                usd_per_environment_hour: instance.usd_per_hour * fee / used,
                usd_per_hour: instances as f64 * instance.usd_per_hour * fee,
                instance: instance.clone(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.usd_per_hour.total_cmp(&b.usd_per_hour).then_with(|| a.instance.name.cmp(&b.instance.name)));
    found
}

/// The cheapest fleet, if any type holds the environments.
pub fn cheapest(
    environment: Environment,
    environments: u64,
    architecture: Architecture,
    types: &[String],
    prices: &Prices,
) -> Option<Packed> {
    packings(environment, environments, architecture, types, prices).into_iter().next()
}

/// `c7g.*` stands for all sizes of a family.
fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn environment(gib: u32, vcpu: u32) -> Environment {
        Environment { memory_mib: gib * 1_024, gib_per_vcpu: gib / vcpu }
    }

    #[test]
    fn environments_fit_as_others_have_seen_them() {
        let prices = Prices::default();
        let on = |gib, vcpu, name| environment(gib, vcpu).on(prices.instance(name).unwrap());
        assert_eq!(["c7g.large", "c7g.xlarge", "c7g.2xlarge"].map(|name| on(4, 2, name)), [0, 1, 3]);
        assert_eq!(["c7g.large", "c7g.xlarge", "c7g.2xlarge"].map(|name| on(2, 1, name)), [1, 3, 7]);
        assert_eq!(on(6, 3, "c7g.xlarge"), 1);
        // Memory is the limit where instances have less of it for each vCPU than environments.
        assert_eq!([on(8, 1, "c7g.2xlarge"), on(8, 1, "r7g.2xlarge")], [1, 7]);
    }

    #[test]
    fn the_default_fleet_takes_three_xlarge_and_a_large_holds_none_of_it() {
        let fleet = packings(environment(4, 2), 3, Architecture::Arm64, &[], &Prices::default());
        assert_eq!(
            (fleet[0].instance.name.as_str(), fleet[0].instances, fleet[0].environments_each),
            ("c7g.xlarge", 3, 1)
        );
        assert!((fleet[0].usd_per_hour - 3.0 * 0.145 * 1.15).abs() < 1e-9, "{fleet:?}");
        assert!((fleet[0].vcpu_unused - 0.5).abs() < 1e-9);
        assert!(fleet.iter().all(|one| one.instance.name.split_once('.').is_some_and(|(_, size)| size != "large")));
    }

    #[test]
    fn a_large_fleet_goes_where_least_is_left_over() {
        let fleet =
            cheapest(environment(4, 2), 300, Architecture::Arm64, &["c7g.*".into()], &Prices::default()).unwrap();
        assert_eq!((fleet.instance.name.as_str(), fleet.environments_each, fleet.instances), ("c7g.8xlarge", 15, 20));
    }

    #[test]
    fn nothing_holds_more_than_the_largest_type() {
        let none = cheapest(environment(32, 16), 3, Architecture::Arm64, &["c7g.xlarge".into()], &Prices::default());
        assert_eq!(none, None);
    }

    proptest! {
        #[test]
        fn environments_never_take_more_than_lambda_leaves(memory in 1_u32..16, ratio in 0_usize..3, wanted in 1_u64..500) {
            let gib_per_vcpu = [2, 4, 8][ratio];
            let environment = Environment { memory_mib: 1_024 * gib_per_vcpu * memory, gib_per_vcpu };
            for one in packings(environment, wanted, Architecture::Arm64, &[], &Prices::default()) {
                let each = one.environments_each as f64;
                prop_assert!(each * environment.vcpu() <= one.instance.vcpu - RESERVED_VCPU);
                prop_assert!(each * environment.gib() <= one.instance.gib - RESERVED_GIB);
                prop_assert!(one.instances * one.environments_each >= wanted && one.instances >= wanted.min(ZONES));
                prop_assert!((0.0..1.0).contains(&one.vcpu_unused) && (0.0..1.0).contains(&one.memory_unused));
            }
        }
    }
}

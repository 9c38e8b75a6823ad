//! Builds without access to AWS: what waiting does not mend is said at once.

use std::time::Duration;

use devstack::bedrock::Fault;

use crate::world::{World, stderr};

const CREDENTIALS: &[&str] = &["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
const REGION: &[&str] = &["AWS_REGION", "AWS_DEFAULT_REGION"];
const GO_ON: &str = "run the same command again to continue";
/// What no command may exceed that cannot get on.
const AT_ONCE: Duration = Duration::from_secs(15);
/// Gives credentials when it is first called.
const ONCE: &str = r#"if mkdir given 2>/dev/null; then
echo '{"Version": 1, "AccessKeyId": "a", "SecretAccessKey": "b"}'
else
echo 'the login is over' >&2
exit 1
fi
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_waiting_does_not_mend_is_said_at_once_with_what_to_do() {
    let world = World::start().await;
    world.write("products.csv", "product_id,category,text\na,tea,assam tea\n");
    world.write("no-profile", "");
    let without = |names: &'static [&'static str]| {
        let mut command = world.command(&["catalog", "build", "--input", "products.csv", "--output", "out.arrow"]);
        for name in names {
            command.env_remove(name);
        }
        for file in ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"] {
            command.env(file, world.path("no-profile"));
        }
        command
    };
    for (fault, names, words) in [
        (None, REGION, ["no region", "AWS_REGION"]),
        (None, CREDENTIALS, ["no credentials", "AWS_PROFILE"]),
        (Some(Fault::ExpiredToken), &[], ["ExpiredTokenException", GO_ON]),
        (Some(Fault::AccessDenied), &[], ["AccessDeniedException", GO_ON]),
        (Some(Fault::RefuseAll), &[], ["inference profile", GO_ON]),
    ] {
        world.stack.bedrock().set_fault(fault);
        let failed = tokio::time::timeout(AT_ONCE, without(names).output()).await;
        let failed = failed.unwrap_or_else(|_| panic!("{words:?} is not said at once")).unwrap();
        let said = stderr(&failed);
        assert_eq!(failed.status.code(), Some(1), "{said}");
        assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    world.stack.bedrock().set_fault(None);
    // Credentials that a command gives once, and not again.
    world.write("once.sh", ONCE);
    let script = world.path("once.sh");
    world.write("profile", format!("[profile once]\ncredential_process = /bin/sh {}\n", script.display()));
    let mut command = without(CREDENTIALS);
    command.env("AWS_PROFILE", "once").env("AWS_CONFIG_FILE", world.path("profile"));
    let failed = tokio::time::timeout(AT_ONCE, command.output()).await.expect("is said at once").unwrap();
    assert!(stderr(&failed).contains("the login is over") && stderr(&failed).contains("log in again"), "{failed:?}");
    for input in ["s3://nearline/in.csv", "dynamodb://products"] {
        for (names, word) in [(REGION, "AWS_REGION"), (CREDENTIALS, "AWS_PROFILE")] {
            let mut command = world.command(&["catalog", "check", input]);
            for name in names {
                command.env_remove(name);
            }
            let failed = tokio::time::timeout(AT_ONCE, command.output()).await.expect("is said at once").unwrap();
            assert!(stderr(&failed).contains(word), "{input}: {failed:?}");
        }
    }
}

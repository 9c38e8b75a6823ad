//! The command line: exit codes, what goes where, and the offline search.

use devstack::lexical;
use nearline_search::Kernel;
use serde_json::Value;

use crate::oracle;
use crate::world::{DIMENSION, MODEL, World, example_rows, write_artifact};

fn lines(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8_lossy(bytes).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_usage_is_2_and_failure_is_1_with_one_line() {
    let mut world = World::start().await;
    assert_eq!(world.nearline(&["serch"]).await.status.code(), Some(2));
    assert_eq!(world.nearline(&["search", "--catalog", "x.arrow"]).await.status.code(), Some(2));
    let missing = world.nearline(&["result", "get", "nothing"]).await;
    assert_eq!(missing.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&missing.stderr), "nearline: there is no record for `nothing`\n");
    world.set("NEARLINE_RESULTS_TABLE", "");
    world.set("NEARLINE_RESULTS_TTL_SECONDS", "soon");
    let unset = world.nearline(&["result", "get", "nothing"]).await;
    let message = String::from_utf8_lossy(&unset.stderr).into_owned();
    assert!(message.contains("NEARLINE_RESULTS_TABLE is not set") && message.contains("was `soon`"), "{message}");
    assert_eq!(message.lines().count(), 1);
}

#[test]
fn people_get_colour_on_a_terminal_unless_no_color_is_set_and_nowhere_else() {
    const NEARLINE: &str = env!("CARGO_BIN_EXE_nearline");
    // Runs a program on a terminal of its own and prints what it shows.
    const TERMINAL: &str = "import pty, sys; pty.spawn(sys.argv[1:])";
    let shown = |program: &[&str], set: &[(&str, &str)]| {
        let mut command = std::process::Command::new(program[0]);
        command.args(&program[1..]).args(["catalog", "inspect", "gone.arrow"]).stdin(std::process::Stdio::null());
        let set = set.iter().copied().chain([("TERM", "xterm-256color")]);
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").envs(set);
        let output = command.output().unwrap();
        let shown = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(shown.contains("nearline:") && shown.contains("gone.arrow"), "{shown}");
        shown.contains('\u{1b}')
    };
    let on_a_terminal = ["python3", "-c", TERMINAL, NEARLINE];
    assert!(shown(&on_a_terminal, &[]));
    assert!(!shown(&on_a_terminal, &[("NO_COLOR", "1")]));
    assert!(!shown(&[NEARLINE], &[]));
}

#[tokio::test(flavor = "multi_thread")]
async fn enqueue_says_what_will_be_refused_and_check_sends_nothing_then() {
    let world = World::start().await;
    let file = world.path("jobs.jsonl");
    std::fs::write(&file, "{\"request_id\":\"a\",\"query\":\"x\"}\n\n{\"request_id\":\"b\"}\nnope\n").unwrap();
    let file = file.to_str().unwrap();
    let checked = world.nearline(&["enqueue", "--check", "--file", file]).await;
    assert_eq!(checked.status.code(), Some(1));
    assert_eq!(world.depth(world.stack.queue_url()).await, 0);
    let sent = world.nearline(&["enqueue", "--file", file]).await;
    let message = String::from_utf8_lossy(&sent.stderr).into_owned();
    assert!(sent.status.success());
    assert!(message.contains("line 3 will be rejected: missing_field"), "{message}");
    assert!(message.contains("line 4 will be dead-lettered: invalid_json"), "{message}");
    assert_eq!(world.depth(world.stack.queue_url()).await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_search_ranks_as_the_definition_says() {
    let world = World::start().await;
    let rows = example_rows(300);
    let (catalog, jobs, output) = (world.path("c.arrow"), world.path("jobs.jsonl"), world.path("r.jsonl"));
    write_artifact(&catalog, &rows, MODEL);
    let job = |id: &str, rest: &str| format!(r#"{{"request_id":"{id}",{rest}}}"#);
    let text = [
        job("a", r#""query":"wool socks","group_by":"none","top_k":4"#),
        job("b", &format!(r#""product_id":"{}""#, rows.product_ids[5])),
        job("c", r#""query":"x","top_k":0"#),
        "nope".to_owned(),
    ];
    std::fs::write(&jobs, text.join("\n")).unwrap();
    let paths = [&catalog, &jobs, &output].map(|path| path.to_str().unwrap());
    let search =
        ["search", "--catalog", paths[0], "--queries", paths[1], "--top-k", "3", "--output", paths[2], "--json"];
    let done = world.nearline(&search).await;
    assert!(done.status.success(), "{done:?}");
    let figures = &lines(&done.stdout)[0];
    assert_eq!(
        (&figures["queries"], &figures["rows"], &figures["dimension"]),
        (&2.into(), &300.into(), &DIMENSION.into())
    );
    let results = lines(&std::fs::read(&output).unwrap());
    let ids: Vec<&Value> = results.iter().map(|line| &line["request_id"]).collect();
    assert_eq!(ids, [&Value::from("a"), &"b".into(), &"c".into(), &Value::Null]);
    assert_eq!(
        (&results[2]["error"]["code"], &results[3]["error"]["code"]),
        (&"out_of_range".into(), &"invalid_json".into())
    );
    for (line, top_k) in [(0, 4), (1, 3)] {
        let mut job = nearline_contract::receive(&text[line]).unwrap().job.unwrap();
        job.top_k = top_k;
        let expected = serde_json::to_string(&oracle::results(&rows, &job, lexical::embed)).unwrap();
        let groups: Vec<nearline_contract::Group> = serde_json::from_value(results[line]["results"].clone()).unwrap();
        assert_eq!(serde_json::to_string(&groups).unwrap(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn offline_search_takes_numpy_files_and_needs_no_setting() {
    let mut world = World::start().await;
    let rows = example_rows(100);
    let (catalog, queries) = (world.path("c.arrow"), world.path("q.npy"));
    write_artifact(&catalog, &rows, "");
    let mut matrix = ndarray::Array2::<f32>::zeros((3, DIMENSION));
    for query in [0, 2] {
        let vector = &rows.vectors[query * 7 * DIMENSION..][..DIMENSION];
        matrix.row_mut(query).assign(&ndarray::ArrayView1::from(vector));
    }
    ndarray_npy::write_npy(&queries, &matrix).unwrap();
    for name in world.env().into_keys().filter(|name| name.starts_with("NEARLINE_")) {
        world.set(&name, "");
    }
    let (catalog, queries) = (catalog.to_str().unwrap(), queries.to_str().unwrap());
    let search = ["search", "--catalog", catalog, "--queries", queries, "--top-k", "1", "--group-by", "none"];
    let done = world.nearline(&search).await;
    let results = lines(&done.stdout);
    assert_eq!(results.iter().map(|line| line["request_id"].as_str().unwrap()).collect::<Vec<_>>(), ["0", "1", "2"]);
    assert_eq!(results[2]["results"][0]["matches"][0]["product_id"], rows.product_ids[14].as_str());
    assert_eq!(results[1]["error"]["code"], "invalid_vector");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kernel_that_the_processor_has_finds_the_same() {
    let mut world = World::start().await;
    let rows = example_rows(2_000);
    let (catalog, queries) = (world.path("c.arrow"), world.path("q.npy"));
    write_artifact(&catalog, &rows, "");
    let matrix = ndarray::ArrayView2::from_shape((40, DIMENSION), &rows.vectors[..40 * DIMENSION]).unwrap();
    ndarray_npy::write_npy(&queries, &matrix).unwrap();
    let (catalog, queries) = (catalog.to_str().unwrap(), queries.to_str().unwrap());
    let mut found = Vec::new();
    for name in Kernel::ALL.map(Kernel::name).into_iter().chain(["abacus"]) {
        let output = world.path(name);
        let output = output.to_str().unwrap();
        let search = ["search", "--catalog", catalog, "--queries", queries, "--output", output, "--json"];
        let done = world.nearline(&[&search[..], &["--kernel", name]].concat()).await;
        if Kernel::available().any(|kernel| kernel.name() == name) {
            assert_eq!(lines(&done.stdout)[0]["kernel"], name);
            found.push(std::fs::read(output).unwrap());
        } else {
            assert_eq!(done.status.code(), Some(2));
            let message = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(message.contains("this processor can run portable"), "{message}");
        }
    }
    assert_eq!(lines(&found[0]).len(), 40);
    assert!(found.iter().all(|results| *results == found[0]));

    world.set("NEARLINE_KERNEL", "abacus");
    let refused = world.nearline(&["worker"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(message.contains("NEARLINE_KERNEL must be one of portable"), "{message}");
}

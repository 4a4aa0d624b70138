//! What can be said of the image and the Compose files without an engine. The rest is in `containers.rs`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use kv_http::ServerConfig;

/// The image of the registry's way and the one of the host's own are the same, but for where the files come from.
#[test]
fn the_two_images_are_one() {
    let last_stage = |file: &str| {
        let text = file_of_repository(file);
        let (_, stage) =
            text.split_once("\nFROM scratch\n").unwrap_or_else(|| panic!("{file}: no last stage"));
        let joined = stage.replace("\\\n", " ");
        let lines = joined.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        lines
            .map(|line| line.replace("--from=build ", "").replace("/image/", ""))
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect::<Vec<String>>()
    };
    let (source, host) = (last_stage("compose/Dockerfile"), last_stage("compose/Dockerfile.static"));
    assert_eq!(source, host);
    for line in [
        "COPY kv-node /kv-node",
        "COPY --chown=65532:65532 data /data",
        "USER 65532:65532",
        "ENV HOST=0.0.0.0 PORT=8000",
        "EXPOSE 8000",
        "STOPSIGNAL SIGTERM",
        r#"ENTRYPOINT ["/kv-node"]"#,
    ] {
        assert!(host.iter().any(|it| it == line), "{line} is not in {host:#?}");
    }
    let check = host.iter().find(|line| line.starts_with("HEALTHCHECK ")).unwrap();
    assert!(check.ends_with(r#"CMD ["/kv-node", "healthcheck"]"#), "{check}: not without a shell");
}

#[test]
fn the_image_is_built_by_the_pinned_toolchain() {
    let pinned = file_of_repository("rust-toolchain.toml");
    let version = pinned.lines().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let from = format!("\nFROM rust:{version}-slim-bookworm AS build\n");
    assert!(file_of_repository("compose/Dockerfile").contains(&from), "{from}");
}

#[test]
fn a_container_is_given_longer_than_the_drain_takes() {
    let text = file_of_repository("compose/docker-compose.yml");
    let grace = text.lines().find_map(|line| line.trim().strip_prefix("stop_grace_period: ")).unwrap();
    let grace = Duration::from_secs(grace.strip_suffix('s').unwrap().parse().unwrap());
    assert!(grace > ServerConfig::default().drain_timeout + Duration::from_secs(2), "{grace:?}");
}

/// A variable that a node knows and that the Compose file does not pass on would be ignored in silence.
#[test]
fn every_setting_can_be_given_to_the_cluster() {
    let text = file_of_repository("compose/docker-compose.yml") + &file_of_repository("compose/durable.yml");
    let help = std::process::Command::new(env!("CARGO_BIN_EXE_kv-node")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let variables: Vec<&str> = help
        .match_indices("[env: ")
        .map(|(at, _)| help[at + 6..].split(['=', ']']).next().unwrap())
        .collect();
    assert!(variables.len() >= 18, "{variables:?}");
    for variable in variables {
        assert!(text.contains(&format!("{variable}: ")), "{variable} is in neither Compose file");
    }
}

fn file_of_repository(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

use super::access::{AdminCommand, Credential, Verifier, dynamic_security, refusals};
use super::configuration;
use serde_json::Value;
use stagebox_protocol::BoxId;
use std::path::Path;

fn device(id: &str) -> BoxId {
    id.parse().unwrap()
}

#[test]
fn a_secret_is_known_by_its_hash_alone() {
    let verifier = Verifier::new("secret", [7; 12]);
    assert!(verifier.matches("secret"));
    for wrong in ["", "Secret", "secret "] {
        assert!(!verifier.matches(wrong), "{wrong}");
    }
    let kept = serde_json::to_string(&verifier).unwrap();
    assert!(!kept.contains("secret") && !format!("{verifier:?}").contains(&kept));
    assert!(serde_json::from_str::<Verifier>(&kept).unwrap().matches("secret"));
}

#[test]
fn the_hash_is_the_one_that_mosquitto_makes() {
    // Made by `mosquitto_ctrl dynsec init` for the password `pw`.
    let made = r#"{"hash":"IJNx5wUJrTLBSkMyTTF9Hrdpx/9LWGZOQzUE1zNOzJXb3q6mdCnW5oI1XlYQC8/l2w6OzlFMkwum2GzZtVjDkQ==",
        "salt":"Mk5J0H94QZHRLwpT","iterations":101}"#;
    assert!(serde_json::from_str::<Verifier>(made).unwrap().matches("pw"));
}

#[test]
fn a_box_has_its_own_topics_and_no_others() {
    let verifier = Verifier::new("secret", [7; 12]);
    let clients = [
        Credential::of_box(device("box_a"), verifier.clone(), true),
        Credential::of_box(device("box_b"), verifier, false),
    ];
    let config: Value = serde_json::from_slice(&dynamic_security(&clients)).unwrap();
    assert_eq!(config["clients"][0]["clientid"], "box_a");
    assert_eq!(config["clients"][1]["disabled"], true);
    for (kind, allowed) in config["defaultACLAccess"].as_object().unwrap() {
        assert_eq!(allowed.as_bool(), Some(kind == "unsubscribe"), "{kind}");
    }
    let rules = config["roles"][0]["acls"].as_array().unwrap();
    for rule in rules {
        let topic = rule["topic"].as_str().unwrap();
        assert!(topic.contains("/box_a/") || topic == "homeassistant/status", "{topic}");
        assert_ne!(rule["acltype"], "subscribePattern");
    }
    let send: Vec<_> = rules.iter().filter(|rule| rule["acltype"] == "publishClientSend").collect();
    assert!(send.iter().all(|rule| {
        let topic = rule["topic"].as_str().unwrap_or_default();
        !topic.ends_with("/desired") && !topic.contains("/command/") && !topic.ends_with("/ack")
    }));
}

#[test]
fn the_plugins_refusals_are_told() {
    let answer = br#"{"responses":[{"command":"createRole"},{"command":"createClient","error":"Client already exists"}]}"#;
    assert_eq!(refusals(answer), ["createClient: Client already exists"]);
    assert!(refusals(b"nonsense").is_empty());
    assert!(!format!("{:?}", AdminCommand::add_box(&device("box_a"), "hidden")).contains("hidden"));
}

#[test]
fn what_is_written_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("broker");
    let address = "127.0.0.1:1884".parse().unwrap();
    let path = configuration::write(&place, address, None, Path::new("/p.so"), &[]).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("listener 1884 127.0.0.1\n") && text.contains("allow_anonymous false\n"), "{text}");
    for entry in std::fs::read_dir(&place).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
    let broken = place.join("a\nallow_anonymous true");
    assert!(
        configuration::write(&broken, address, None, Path::new("/p.so"), &[])
            .unwrap_err()
            .to_string()
            .contains("line break")
    );
}

#[test]
fn a_missing_plugin_is_named_with_its_key() {
    let error = configuration::plugin(Some(Path::new("/nowhere.so"))).unwrap_err().to_string();
    assert!(error.contains("/nowhere.so") && error.contains("mqtt.dynamic_security_plugin"), "{error}");
}

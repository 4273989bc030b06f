use super::*;

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), text).expect("the file is writable");
    file
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = load(None, []).expect("the defaults are valid");
    assert_eq!(config.gateway.listen.port(), 8280);
    assert_eq!(config.data_folder, PathBuf::from("data"));
}

#[test]
fn the_environment_wins_over_the_file() {
    let file = file("data_folder = \"from-file\"\n[gateway]\nworkers = 3\n");
    let config = load(
        Some(file.path()),
        variables(&[("CLAVIGER_GATEWAY_WORKERS", "5"), ("PATH", "/bin")]),
    )
    .expect("valid settings");
    assert_eq!(config.gateway.workers, 5);
    assert_eq!(config.data_folder, PathBuf::from("from-file"));
}

#[test]
fn an_unknown_setting_is_refused_with_a_suggestion() {
    let file = file("[gateway]\nlisten_on = \"127.0.0.1:1\"\n");
    let error = load(Some(file.path()), [])
        .expect_err("unknown setting")
        .to_string();
    assert!(
        error.contains("\"gateway.listen_on\"; did you mean listen?"),
        "{error}"
    );
}

#[test]
fn an_unknown_variable_is_refused_with_a_suggestion() {
    let error = load(None, variables(&[("CLAVIGER_GATEWAY_WORKER", "1")]))
        .expect_err("unknown")
        .to_string();
    assert!(
        error.contains("did you mean CLAVIGER_GATEWAY_WORKERS?"),
        "{error}"
    );
}

#[test]
fn a_wrong_type_names_both_types() {
    let file = file("[gateway]\nworkers = \"many\"\n");
    let error = load(Some(file.path()), [])
        .expect_err("wrong type")
        .to_string();
    assert!(
        error.contains("gateway.workers must be a whole number, not a text"),
        "{error}"
    );
}

#[test]
fn a_file_that_is_not_toml_is_refused_with_its_line() {
    let file = file("data_folder = \"x\"\n[gateway\n");
    let error = load(Some(file.path()), [])
        .expect_err("not TOML")
        .to_string();
    assert!(error.contains("is not valid TOML at line 2"), "{error}");
}

#[test]
fn a_secret_may_come_from_a_file() {
    let secret = file(&format!("{}\n", "ab".repeat(32)));
    let path = secret.path().display().to_string();
    let config =
        load(None, variables(&[("CLAVIGER_SEALING_KEY_FILE", &path)])).expect("valid settings");
    assert_eq!(config.sealing.key, "ab".repeat(32));
}

#[test]
fn a_secret_given_twice_is_refused() {
    let secret = file("postgres://x");
    let path = secret.path().display().to_string();
    let error = load(
        None,
        variables(&[
            ("CLAVIGER_DATABASE_URL", "postgres://y"),
            ("CLAVIGER_DATABASE_URL_FILE", &path),
        ]),
    )
    .expect_err("given twice")
    .to_string();
    assert!(
        error.contains("database.url is given both directly and as database.url_file"),
        "{error}"
    );
}

#[test]
fn an_error_never_shows_a_secret() {
    for (name, value) in [
        ("CLAVIGER_SEALING_KEY", "hunter2hunter2"),
        ("CLAVIGER_DATABASE_URL", "mysql://u:hunter2@h"),
    ] {
        let error = load(None, variables(&[(name, value)]))
            .expect_err("invalid")
            .to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
    let mut config = Config::default();
    config.database.url = "postgres://u:hunter2@h".to_owned();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn half_a_tls_pair_is_refused() {
    let error = load(
        None,
        variables(&[("CLAVIGER_CONTROL_TLS_KEY_FILE", "k.pem")]),
    )
    .expect_err("half");
    assert!(error.to_string().contains("give both or neither"));
}

#[test]
fn no_wait_can_be_set_out_of_its_bounds() {
    for (variable, value, setting) in [
        (
            "CLAVIGER_OUTBOUND_TIMEOUT_SECONDS",
            "0",
            "outbound.timeout_seconds",
        ),
        (
            "CLAVIGER_OUTBOUND_CONNECT_TIMEOUT_SECONDS",
            "601",
            "outbound.connect_timeout_seconds",
        ),
        (
            "CLAVIGER_CONTROL_SECRET_GRACE_PERIOD_SECONDS",
            "9223372036854775807",
            "control.secret_grace_period_seconds",
        ),
        (
            "CLAVIGER_GATEWAY_KEY_REFRESH_INTERVAL_SECONDS",
            "86401",
            "gateway.key_refresh_interval_seconds",
        ),
    ] {
        let error = load(None, variables(&[(variable, value)]))
            .expect_err("out of bounds")
            .to_string();
        assert!(error.contains(&format!("{setting} must be")), "{error}");
    }
}

#[test]
fn a_cors_policy_is_refused_by_the_setting_that_is_wrong() {
    let origins = "CLAVIGER_GATEWAY_CORS_ORIGINS";
    for (given, setting) in [
        (
            vec![
                (origins, "*"),
                ("CLAVIGER_GATEWAY_CORS_CREDENTIALS", "true"),
            ],
            "gateway.cors_credentials",
        ),
        (
            vec![(origins, "https://a.example,null")],
            "gateway.cors_origins",
        ),
        (
            vec![(origins, "*"), ("CLAVIGER_GATEWAY_CORS_HEADERS", "x a")],
            "gateway.cors_headers",
        ),
        (
            vec![
                (origins, "*"),
                ("CLAVIGER_GATEWAY_CORS_EXPOSED_HEADERS", ":"),
            ],
            "gateway.cors_exposed_headers",
        ),
        (
            vec![
                (origins, "*"),
                ("CLAVIGER_GATEWAY_CORS_MAX_AGE_SECONDS", "86401"),
            ],
            "gateway.cors_max_age_seconds",
        ),
    ] {
        let error = load(None, variables(&given))
            .expect_err("refused")
            .to_string();
        assert!(error.contains(setting), "{error}");
    }
    let config = load(
        None,
        variables(&[(origins, "https://a.example, https://b.example")]),
    )
    .expect("a policy");
    let policy = config.gateway.cors().expect("it is on");
    let both = ["https://a.example", "https://b.example"].map(str::to_owned);
    assert_eq!(
        policy.origins,
        domain::cors::AllowedOrigins::Only(both.to_vec())
    );
    let config = load(None, variables(&[])).expect("the defaults");
    assert_eq!(config.gateway.cors(), None);
}

#[test]
fn a_share_is_a_number_from_0_to_1_with_or_without_a_fraction() {
    let share = "CLAVIGER_TELEMETRY_SAMPLE_RATIO";
    for (text, expected) in [("0", 0.0), ("0.25", 0.25), ("1", 1.0)] {
        let config = load(None, variables(&[(share, text)])).expect("a share");
        assert!((config.telemetry.sample_ratio - expected).abs() < f64::EPSILON);
    }
    for text in ["-0.1", "1.01", "NaN", "inf", "half", ""] {
        let error = load(None, variables(&[(share, text)])).expect_err("refused");
        assert!(error.to_string().contains("must be"), "{text}: {error}");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("claviger.toml");
    for (text, is_good) in [
        ("0", true),
        ("1", true),
        ("0.5", true),
        ("2", false),
        ("\"1\"", false),
    ] {
        std::fs::write(&file, format!("[telemetry]\nsample_ratio = {text}\n")).expect("written");
        assert_eq!(load(Some(&file), variables(&[])).is_ok(), is_good, "{text}");
    }
}

#[test]
fn a_service_has_a_name_of_reasonable_length() {
    for name in ["", "a\nb", &"n".repeat(256)] {
        let error = load(
            None,
            variables(&[("CLAVIGER_TELEMETRY_SERVICE_NAME", name)]),
        )
        .expect_err("refused")
        .to_string();
        assert!(error.contains("telemetry.service_name must be"), "{error}");
    }
}

#[test]
fn the_reference_page_names_every_setting() {
    let page = include_str!("../../../../../docs/reference/settings.md");
    let defaults = Table::try_from(Config::default()).expect("the defaults are a table");
    for (_, path) in setting_paths(&defaults) {
        let setting = path.join(".");
        assert!(page.contains(&format!("`{setting}`")), "{setting}");
    }
}

#[test]
fn a_wrong_word_is_refused_by_the_name_of_its_setting_and_is_not_repeated() {
    for (variable, setting, expected) in [
        (
            "GATEWAY_ACCESS_LOG",
            "gateway.access_log",
            "`full`, `errors`, `off`",
        ),
        (
            "GATEWAY_FORWARDED",
            "gateway.forwarded",
            "`replace` or `append`",
        ),
        (
            "GATEWAY_CLIENT_CERTIFICATES",
            "gateway.client_certificates",
            "`off` or `ask`",
        ),
        (
            "GATEWAY_CLIENT_ADDRESS_HEADER",
            "gateway.client_address_header",
            "`x-forwarded-for` or `forwarded`",
        ),
        (
            "GATEWAY_BACKEND_JWT_ALGORITHM",
            "gateway.backend_jwt.algorithm",
            "`RS256` or `ES256`",
        ),
        (
            "GATEWAY_BACKEND_JWT_ENCODING",
            "gateway.backend_jwt.encoding",
            "`base64url` or `base64`",
        ),
        (
            "OUTBOUND_PRIVATE_TARGETS",
            "outbound.private_targets",
            "`refused` or `allowed`",
        ),
        ("LOG_FORMAT", "log.format", "`json` or `text`"),
        ("CONTROL_LISTEN", "control.listen", "an address"),
        ("GATEWAY_LISTEN", "gateway.listen", "an address"),
        (
            "GATEWAY_MONITORING_LISTEN",
            "gateway.monitoring_listen",
            "an address",
        ),
    ] {
        for wrong in ["hunter2", "hunter2, expected hunter2", ""] {
            let variable = format!("CLAVIGER_{variable}");
            let error = load(None, variables(&[(&variable, wrong)]))
                .expect_err(setting)
                .to_string();
            assert!(error.contains(&format!("{setting} must be ")), "{error}");
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}

#[test]
fn a_number_or_list_of_the_wrong_kind_is_refused_by_the_name_of_its_setting() {
    for (text, reason) in [
        (
            "[gateway]\nworkers = -1",
            "gateway.workers must be a whole number that is not negative",
        ),
        (
            "[database]\nconnections = 4294967296",
            "database.connections must be a whole number from 0 to 4294967295",
        ),
        (
            "[gateway.timeouts]\nconnect_seconds = -7",
            "gateway.timeouts.connect_seconds must be a whole number that is not negative",
        ),
        (
            "[gateway]\ncors_origins = [\"*\", 7]",
            "gateway.cors_origins[1] must be a text",
        ),
        (
            "[outbound]\nextra_ca_files = [true]",
            "outbound.extra_ca_files[0] must be a text",
        ),
    ] {
        let error = load(Some(file(text).path()), [])
            .expect_err(text)
            .to_string();
        assert!(error.contains(reason), "{error}");
    }
}

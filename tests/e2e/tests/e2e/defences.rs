//! Default settings against people who try: addresses that are not theirs to read, passwords that are not theirs.

use std::time::Duration;

use crate::claviger::{Claviger, Portal};
use crate::entra::Entra;
use crate::polling::eventually;
use crate::secrecy::Secrets;
use crate::upstream::Upstream;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn import_does_not_read_addresses_of_the_machine_or_its_cloud() {
    let entra = Entra::start();
    let mut claviger = Claviger::start(&entra.http, &[]);
    claviger.sign_in().await;
    let inside = Upstream::start().await;
    let port = inside.url.rsplit(':').next().expect("a port");
    let document = "/forecast/.well-known";
    for address in [
        "http://169.254.169.254/".to_owned(),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        format!("http://127.0.0.1:{port}{document}"),
        format!("http://localhost:{port}{document}"),
        format!("http://2130706433:{port}{document}"),
        format!("http://0x7f.1:{port}{document}"),
        format!("http://0.0.0.0:{port}{document}"),
        format!("http://[::1]:{port}{document}"),
        format!("http://[::ffff:127.0.0.1]:{port}{document}"),
        format!("http://[::ffff:169.254.169.254]:{port}/"),
        "http://10.0.0.1/".to_owned(),
        "http://192.168.0.1/".to_owned(),
        "http://100.64.0.1/".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!(
            "{}/{}/v2.0/.well-known/openid-configuration",
            entra.base, entra.tenant
        ),
    ] {
        let fields = [("url", address.clone()), ("type", "AzureAD".to_owned())];
        let reply = claviger
            .post_form(Portal::Admin, "/key-managers/discover", &fields)
            .await;
        assert_eq!(reply.status, 400, "{address}: {}", reply.text);
        assert!(
            !reply.text.contains("\"value\""),
            "{address}: {}",
            reply.text
        );
    }
    assert_eq!(inside.answered(), 0, "nobody came to the address inside");
    assert!(entra.recorded("target=well-known").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_a_password_is_slowed_down_and_logged_without_the_password() {
    let entra = Entra::start();
    let claviger = Claviger::start(&entra.http, &[]);
    let (name, right) = claviger
        .first_passwords()
        .into_iter()
        .find(|(name, _)| name == "developer")
        .expect("a developer");
    let guess = |number: usize| format!("guess-{number}-of-e2e-tests");
    let mut refused = 0;
    let mut slowed = 0;
    for number in 0..12 {
        let reply = claviger.register(&name, &guess(number)).await;
        assert!(!reply.text.contains(&guess(number)));
        match reply.status {
            401 => refused += 1,
            429 => {
                let seconds = reply.header("retry-after").expect("Retry-After");
                assert!(seconds.parse::<u64>().expect("seconds") >= 1);
                slowed += 1;
            }
            other => panic!("{other}: {}", reply.text),
        }
    }
    assert!(refused >= 3, "people mistype: {refused} refused");
    assert!(slowed >= 4, "{slowed} slowed down");

    // Slowed down, not locked out; and nobody else is.
    let admin = claviger
        .first_passwords()
        .into_iter()
        .find(|(name, _)| name == "admin");
    let (admin, password) = admin.expect("an administrator");
    claviger.register(&admin, &password).await.expect(200);
    eventually(
        "the right password works",
        Duration::from_secs(90),
        async || {
            let reply = claviger.register(&name, &right).await;
            (reply.status == 200).then_some(())
        },
    )
    .await;

    let log = claviger.log();
    let failures = log.matches("login failed").count();
    assert_eq!(failures, refused, "each refusal is logged");
    let mut secrets = Secrets::default();
    secrets.never_shown.push(right);
    secrets.never_shown.push(password);
    secrets.never_shown.extend((0..12).map(guess));
    secrets.absent_from_log("claviger", &log);
}

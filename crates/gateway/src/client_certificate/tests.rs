use base64::engine::general_purpose::STANDARD as BASE64;
use http::HeaderValue;

use super::*;

const DER: &[u8] = b"whatever a certificate says";

fn read(text: &str) -> Option<Vec<u8>> {
    certificate(&HeaderValue::from_bytes(text.as_bytes()).expect("a header value"))
}

fn byte_sequence_of(der: &[u8]) -> String {
    format!(":{}:", BASE64.encode(der))
}

/// As nginx escapes it.
fn escaped_pem_of(der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new("CERTIFICATE", der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
    .bytes()
    .map(|byte| match byte {
        b'-' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    })
    .collect()
}

#[test]
fn a_byte_sequence_is_a_certificate() {
    for length in 1..8 {
        let der = &DER[..length];
        let written = byte_sequence_of(der);
        assert_eq!(read(&written).as_deref(), Some(der));
        assert_eq!(read(&format!(" {written}\t")).as_deref(), Some(der));
        // RFC 8941 section 4.2.7: padding may be missing.
        let unpadded = written.replace('=', "");
        assert_eq!(read(&unpadded).as_deref(), Some(der));
    }
}

#[test]
fn escaped_pem_is_a_certificate() {
    let escaped = escaped_pem_of(DER);
    assert!(!escaped.contains(['\n', ' ', '=']));
    assert_eq!(read(&escaped).as_deref(), Some(DER));
    // Others leave more characters as they are; a plus sign is never a space.
    let plus = [0xfb, 0xef, 0xbe, 0xff];
    let lenient = escaped_pem_of(&plus)
        .replace("%2B", "+")
        .replace("%2F", "/")
        .replace("%3D", "=");
    assert!(lenient.contains('+'));
    assert_eq!(read(&lenient).as_deref(), Some(&plus[..]));
}

#[test]
fn what_is_neither_is_no_certificate() {
    let good = byte_sequence_of(DER);
    let escaped = escaped_pem_of(DER);
    let encoded = BASE64.encode(DER);
    let too_long = byte_sequence_of(&vec![0; LONGEST]);
    for nonsense in [
        "",
        ":",
        "::",
        ":====:",
        &encoded,
        &format!(":{encoded}"),
        &format!("{encoded}:"),
        &format!("\"{encoded}\""),
        &format!("{good}, {good}"),
        &format!("{good},"),
        &format!("{good};a"),
        &format!("{good};a=1"),
        &format!("({good})"),
        &format!("a={good}"),
        // Not the alphabet of URLs, and nothing between the characters.
        ":-_-_:",
        ":QU JD:",
        ":QUJD\tQUJD:",
        ":Q:",
        "?1",
        "(null)",
        "-",
        "\u{e4}",
        &too_long,
        // PEM that is none, not a certificate, or more than one.
        "-----BEGIN",
        "-----BEGIN%20CERTIFICATE-----",
        &escaped.replace("CERTIFICATE", "PRIVATE%20KEY"),
        &format!("{escaped}{escaped}"),
        &format!("x{escaped}"),
        &escaped[..escaped.len() / 2],
        &escaped.replacen("%0A", "%0", 1),
        &escaped.replacen("%0A", "%ZZ", 1),
        "-----BEGIN%20CERTIFICATE-----%0A-----END%20CERTIFICATE-----%0A",
        // Another proxy's invention.
        &format!("Hash=00;Cert=\"{escaped}\""),
    ] {
        assert_eq!(read(nonsense), None, "{nonsense}");
    }
}

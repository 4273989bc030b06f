//! What the program tells the person who started it: results on standard output, last words on standard error.

use std::io::Write;

/// One line on standard output. A reader that has gone away is no reason to stop.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Why the process could not do its work.
pub(crate) fn complain(reason: &str) {
    let _ = writeln!(std::io::stderr().lock(), "claviger: {reason}");
}

//! WSO2's codes for inputs that break the rules of their noun: by what is wrong with which field.

use control::error::Error;
use domain::{FieldError, FieldFault, Invalid};
use http::StatusCode;

use super::Problem;

/// Of the connector's own fields.
const PROPERTY: &str = "additionalProperties";

/// About a key manager's settings.
pub(crate) fn of_key_manager(error: Error) -> Problem {
    let Error::Invalid(invalid) = error else {
        return Problem::from(error);
    };
    let has = |fault: FieldFault, concerns: fn(&FieldError) -> bool| {
        let mut errors = invalid.0.iter();
        errors.any(|error| error.fault == fault && concerns(error))
    };
    let (code, message) = if has(FieldFault::Missing, |error| error.field == "name") {
        (901_404, "Key Manager name cannot be empty")
    } else if has(FieldFault::Fixed, is_property) {
        (901_412, "Key Manager property cannot be changed")
    } else if has(FieldFault::Missing, |_| true) {
        (901_401, "Required Key Manager configuration missing")
    } else {
        (400, "Bad Request")
    };
    problem(&invalid, code, message)
}

/// About a connector's fields for an application.
pub(crate) fn of_application_keys(error: Error) -> Problem {
    let Error::Invalid(invalid) = error else {
        return Problem::from(error);
    };
    let mut of_properties = invalid
        .0
        .iter()
        .filter(|error| is_property(error))
        .peekable();
    let (code, message) = if of_properties.peek().is_none() {
        (400, "Bad Request")
    } else if of_properties.any(|error| error.fault == FieldFault::Missing) {
        (901_407, "Required application properties are missing")
    } else {
        (901_410, "Invalid additional properties")
    };
    problem(&invalid, code, message)
}

fn is_property(error: &FieldError) -> bool {
    error.field.starts_with(PROPERTY)
}

fn problem(invalid: &Invalid, code: u32, message: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, code, message, invalid.to_string()).with_fields(invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has_code(problem: &Problem, code: u32) {
        let told = format!("{problem:?}");
        assert!(told.contains(&format!("code: {code},")), "{told}");
    }

    #[test]
    fn missing_and_wrong_application_properties_have_codes_of_their_own() {
        let field = "additionalProperties.app_type";
        for (error, code) in [
            (FieldError::missing(field, "Type"), 901_407),
            (FieldError::wrong(field, "must be one of: web"), 901_410),
            (
                FieldError::wrong("callbackUrl", "must be an absolute URL"),
                400,
            ),
        ] {
            has_code(&of_application_keys(Invalid::from(error).into()), code);
        }
    }

    #[test]
    fn what_is_wrong_with_a_key_manager_decides_its_code() {
        let field = "additionalProperties.microsoft_graph_api_endpoint";
        for (error, code) in [
            (FieldError::missing("name", "Name"), 901_404),
            (FieldError::fixed(field, ""), 901_412),
            (FieldError::missing(field, "Graph"), 901_401),
            (FieldError::wrong(field, "must be a URL"), 400),
            (FieldError::fixed("type", ""), 400),
        ] {
            has_code(&of_key_manager(Invalid::from(error).into()), code);
        }
    }
}

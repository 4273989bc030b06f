//! Tokens of a `$filter` expression.

use super::super::error::GraphError;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A property path, keyword, number, GUID or date: anything without quotes or punctuation.
    Word(String),
    /// A quoted string.
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
}

/// Splits `input` into tokens.
pub(super) fn tokens(input: &str) -> Result<Vec<Token>, GraphError> {
    let mut tokens = Vec::new();
    let mut rest = input.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            ' ' | '\t' => {
                rest.next();
            }
            '(' | ')' | ',' | ':' => {
                rest.next();
                tokens.push(match next {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    ',' => Token::Comma,
                    _ => Token::Colon,
                });
            }
            '\'' => {
                rest.next();
                tokens.push(Token::Text(string(&mut rest)?));
            }
            _ => tokens.push(Token::Word(word(&mut rest, input)?)),
        }
    }
    Ok(tokens)
}

fn string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, GraphError> {
    let mut value = String::new();
    while let Some(next) = rest.next() {
        if next != '\'' {
            value.push(next);
        } else if rest.next_if_eq(&'\'').is_some() {
            value.push('\'');
        } else {
            return Ok(value);
        }
    }
    Err(invalid(
        "There is an unterminated string literal in the filter clause.",
    ))
}

fn word(
    rest: &mut std::iter::Peekable<std::str::Chars<'_>>,
    input: &str,
) -> Result<String, GraphError> {
    let mut value = String::new();
    while let Some(next) =
        rest.next_if(|&next| next.is_ascii_alphanumeric() || "/-_.+$@".contains(next))
    {
        value.push(next);
    }
    // A time such as 2026-11-23T09:14:27Z has colons inside.
    while value.len() >= 13 && value.contains('T') && rest.peek() == Some(&':') {
        rest.next();
        value.push(':');
        while let Some(next) = rest.next_if(|&next| next.is_ascii_alphanumeric() || next == '.') {
            value.push(next);
        }
    }
    if value.is_empty() {
        return Err(invalid(&format!(
            "Syntax error in '{}'.",
            input.chars().take(100).collect::<String>()
        )));
    }
    Ok(value)
}

/// A filter that does not parse.
pub(super) fn invalid(reason: &str) -> GraphError {
    GraphError::malformed(format!("Invalid filter clause: {reason}"))
}

//! `$filter`: parsing into a tree, what it needs, and whether an object passes it.

use jiff::Timestamp;

use super::{
    Filterable, Operand,
    lexer::{Token, invalid, tokens},
};
use crate::graph::error::GraphError;

const MAXIMUM_LENGTH: usize = 8192;
const MAXIMUM_DEPTH: usize = 24;

/// A parsed `$filter`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Not(Box<Filter>),
    /// `property op literal`.
    Compare {
        property: String,
        comparison: Comparison,
        literal: Literal,
    },
    /// `property in (…)`.
    In {
        property: String,
        literals: Vec<Literal>,
    },
    /// `startswith(property,'…')`.
    StartsWith {
        property: String,
        prefix: String,
    },
    /// `endswith(property,'…')`.
    EndsWith {
        property: String,
        suffix: String,
    },
    /// `property/any(x:x op literal)`.
    Any {
        property: String,
        test: ElementTest,
    },
    /// `property/$count op number`, of which Graph serves `eq 0` and `ne 0`.
    Count {
        property: String,
        is_zero: bool,
    },
}

/// What an element of a collection must satisfy.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ElementTest {
    Exists,
    Is(String),
    StartsWith(String),
    EndsWith(String),
    OneOf(Vec<String>),
}

/// `eq`, `ne`, `gt`, `ge`, `lt`, `le`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

/// A literal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Null,
    Bool(bool),
    Text(String),
    Time(Timestamp),
}

impl Filter {
    /// Parses `input`.
    ///
    /// # Errors
    /// 400 `BadRequest` when it is not a filter, or too long or deep.
    pub(crate) fn parse(input: &str) -> Result<Self, GraphError> {
        if input.len() > MAXIMUM_LENGTH {
            return Err(invalid("The clause is too long."));
        }
        let mut parser = Parser {
            tokens: tokens(input)?,
            position: 0,
        };
        let filter = parser.disjunction(0)?;
        if parser.position == parser.tokens.len() {
            Ok(filter)
        } else {
            Err(parser.unexpected())
        }
    }

    /// Refuses what cannot be filtered by, and advanced expressions without the header they need.
    ///
    /// # Errors
    /// 400 `Request_UnsupportedQuery`.
    pub(crate) fn check<T: Filterable>(&self, is_advanced: bool) -> Result<(), GraphError> {
        match self {
            Self::And(left, right) | Self::Or(left, right) => {
                left.check::<T>(is_advanced)?;
                right.check::<T>(is_advanced)
            }
            Self::Not(inner) => {
                require_advanced("Operator 'not'", is_advanced)?;
                inner.check::<T>(is_advanced)
            }
            Self::Compare {
                property,
                comparison,
                ..
            } => {
                require_filterable::<T>(property)?;
                if *comparison == Comparison::NotEqual {
                    require_advanced("Operator 'ne'", is_advanced)?;
                }
                Ok(())
            }
            Self::EndsWith { property, .. } => {
                require_filterable::<T>(property)?;
                require_advanced("Function 'endsWith'", is_advanced)
            }
            Self::Count { property, .. } => {
                require_filterable::<T>(property)?;
                require_advanced("Segment '$count'", is_advanced)
            }
            Self::Any { property, test } => {
                require_filterable::<T>(property)?;
                match test {
                    ElementTest::EndsWith(_) => {
                        require_advanced("Function 'endsWith'", is_advanced)
                    }
                    _ => Ok(()),
                }
            }
            Self::In { property, .. } | Self::StartsWith { property, .. } => {
                require_filterable::<T>(property)
            }
        }
    }

    /// Whether `object` passes.
    pub(crate) fn matches<T: Filterable>(&self, object: &T) -> bool {
        match self {
            Self::And(left, right) => left.matches(object) && right.matches(object),
            Self::Or(left, right) => left.matches(object) || right.matches(object),
            Self::Not(inner) => !inner.matches(object),
            Self::Compare {
                property,
                comparison,
                literal,
            } => object
                .operand(property)
                .is_some_and(|operand| compare(&operand, *comparison, literal)),
            Self::In { property, literals } => object.operand(property).is_some_and(|operand| {
                literals
                    .iter()
                    .any(|literal| compare(&operand, Comparison::Equal, literal))
            }),
            Self::StartsWith { property, prefix } => {
                is_text(object, property, |text| starts_with(text, prefix))
            }
            Self::EndsWith { property, suffix } => {
                is_text(object, property, |text| ends_with(text, suffix))
            }
            Self::Any { property, test } => match object.operand(property) {
                Some(Operand::Texts(values)) => values.iter().any(|value| test.holds(value)),
                _ => false,
            },
            Self::Count { property, is_zero } => match object.operand(property) {
                Some(Operand::Texts(values)) => values.is_empty() == *is_zero,
                _ => false,
            },
        }
    }

    /// The expressions that must all hold.
    pub(crate) fn conjuncts(&self) -> Vec<&Self> {
        match self {
            Self::And(left, right) => {
                let mut all = left.conjuncts();
                all.extend(right.conjuncts());
                all
            }
            other => vec![other],
        }
    }
}

impl ElementTest {
    fn holds(&self, value: &str) -> bool {
        match self {
            Self::Exists => true,
            Self::Is(text) => value.eq_ignore_ascii_case(text),
            Self::StartsWith(prefix) => starts_with(value, prefix),
            Self::EndsWith(suffix) => ends_with(value, suffix),
            Self::OneOf(texts) => texts.iter().any(|text| value.eq_ignore_ascii_case(text)),
        }
    }
}

fn require_filterable<T: Filterable>(property: &str) -> Result<(), GraphError> {
    if T::FILTERABLE.contains(&property) {
        return Ok(());
    }
    Err(GraphError::unsupported_query("Unsupported Query."))
}

fn require_advanced(what: &str, is_advanced: bool) -> Result<(), GraphError> {
    if is_advanced {
        return Ok(());
    }
    Err(GraphError::unsupported_query(format!(
        "{what} is not supported because the required parameters might be missing. Try adding $count=true query parameter and ConsistencyLevel:eventual header. Refer to https://aka.ms/graph-docs/advanced-queries for more information"
    )))
}

fn compare(operand: &Operand<'_>, comparison: Comparison, literal: &Literal) -> bool {
    use std::cmp::Ordering;
    let ordering = match (operand, literal) {
        (Operand::Null, Literal::Null) => Some(Ordering::Equal),
        (Operand::Bool(left), Literal::Bool(right)) => Some(left.cmp(right)),
        (Operand::Text(left), Literal::Text(right)) => {
            Some(left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase()))
        }
        (Operand::Time(left), Literal::Time(right)) => Some(left.cmp(right)),
        _ => None,
    };
    match comparison {
        Comparison::Equal => ordering == Some(Ordering::Equal),
        Comparison::NotEqual => ordering != Some(Ordering::Equal),
        Comparison::Greater => ordering == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => ordering.is_some_and(Ordering::is_ge),
        Comparison::Less => ordering == Some(Ordering::Less),
        Comparison::LessOrEqual => ordering.is_some_and(Ordering::is_le),
    }
}

fn is_text<T: Filterable>(object: &T, property: &str, test: impl Fn(&str) -> bool) -> bool {
    matches!(object.operand(property), Some(Operand::Text(text)) if test(&text))
}

/// Whether `text` begins with `prefix`, without regard to ASCII case.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

fn ends_with(text: &str, suffix: &str) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .and_then(|start| text.get(start..))
        .is_some_and(|tail| tail.eq_ignore_ascii_case(suffix))
}

struct Parser {
    tokens: Vec<Token>,
    position: usize,
}

impl Parser {
    fn disjunction(&mut self, depth: usize) -> Result<Filter, GraphError> {
        let mut left = self.conjunction(depth)?;
        while self.take_word("or") {
            left = Filter::Or(Box::new(left), Box::new(self.conjunction(depth)?));
        }
        Ok(left)
    }

    fn conjunction(&mut self, depth: usize) -> Result<Filter, GraphError> {
        let mut left = self.term(depth)?;
        while self.take_word("and") {
            left = Filter::And(Box::new(left), Box::new(self.term(depth)?));
        }
        Ok(left)
    }

    fn term(&mut self, depth: usize) -> Result<Filter, GraphError> {
        if depth > MAXIMUM_DEPTH || self.tokens.len() > 1000 {
            return Err(invalid("The node count limit has been exceeded."));
        }
        if self.take(&Token::Open) {
            let inner = self.disjunction(depth + 1)?;
            self.expect(&Token::Close)?;
            return Ok(inner);
        }
        if self.take_word("not") {
            return Ok(Filter::Not(Box::new(self.term(depth + 1)?)));
        }
        let word = self.word()?;
        if self.peek() == Some(&Token::Open) {
            return self.call(&word);
        }
        if let Some(property) = word.strip_suffix("/$count") {
            return self.count(property.to_owned());
        }
        if self.take_word("in") {
            return Ok(Filter::In {
                property: word,
                literals: self.list()?,
            });
        }
        let comparison = self.comparison()?;
        let literal = self.literal()?;
        Ok(Filter::Compare {
            property: word,
            comparison,
            literal,
        })
    }

    fn call(&mut self, name: &str) -> Result<Filter, GraphError> {
        self.expect(&Token::Open)?;
        if let Some(property) = name.strip_suffix("/any") {
            let property = property.to_owned();
            if self.take(&Token::Close) {
                return Ok(Filter::Any {
                    property,
                    test: ElementTest::Exists,
                });
            }
            let variable = self.word()?;
            self.expect(&Token::Colon)?;
            let test = self.element_test(&variable)?;
            self.expect(&Token::Close)?;
            return Ok(Filter::Any { property, test });
        }
        match name.to_ascii_lowercase().as_str() {
            "startswith" => {
                let (property, prefix) = self.arguments()?;
                Ok(Filter::StartsWith { property, prefix })
            }
            "endswith" => {
                let (property, suffix) = self.arguments()?;
                Ok(Filter::EndsWith { property, suffix })
            }
            "contains" | "tolower" | "toupper" | "length" | "substring" | "indexof" => {
                Err(GraphError::unsupported_query("Unsupported Query."))
            }
            _ => Err(invalid(&format!(
                "An unknown function with name '{name}' was found."
            ))),
        }
    }

    fn element_test(&mut self, variable: &str) -> Result<ElementTest, GraphError> {
        let word = self.word()?;
        if word.eq_ignore_ascii_case("startswith") || word.eq_ignore_ascii_case("endswith") {
            self.expect(&Token::Open)?;
            let (property, text) = self.arguments()?;
            if property != variable {
                return Err(invalid("The range variable is unknown."));
            }
            let is_start = word.eq_ignore_ascii_case("startswith");
            return Ok(if is_start {
                ElementTest::StartsWith(text)
            } else {
                ElementTest::EndsWith(text)
            });
        }
        if word != variable {
            // Elements of a complex type (keyCredentials/any(k:k/…)) are not indexed here.
            return Err(GraphError::unsupported_query("Unsupported Query."));
        }
        if self.take_word("in") {
            let texts = self
                .list()?
                .into_iter()
                .map(text_of)
                .collect::<Result<_, _>>()?;
            return Ok(ElementTest::OneOf(texts));
        }
        match self.comparison()? {
            Comparison::Equal => Ok(ElementTest::Is(text_of(self.literal()?)?)),
            _ => Err(GraphError::unsupported_query("Unsupported Query.")),
        }
    }

    fn arguments(&mut self) -> Result<(String, String), GraphError> {
        let property = self.word()?;
        self.expect(&Token::Comma)?;
        let text = text_of(self.literal()?)?;
        self.expect(&Token::Close)?;
        Ok((property, text))
    }

    fn count(&mut self, property: String) -> Result<Filter, GraphError> {
        let comparison = self.comparison()?;
        let zero = self.word()?;
        match comparison {
            Comparison::Equal if zero == "0" => Ok(Filter::Count {
                property,
                is_zero: true,
            }),
            Comparison::NotEqual if zero == "0" => Ok(Filter::Count {
                property,
                is_zero: false,
            }),
            _ => Err(GraphError::unsupported_query("Unsupported Query.")),
        }
    }

    fn list(&mut self) -> Result<Vec<Literal>, GraphError> {
        self.expect(&Token::Open)?;
        let mut literals = vec![self.literal()?];
        while self.take(&Token::Comma) {
            literals.push(self.literal()?);
        }
        self.expect(&Token::Close)?;
        Ok(literals)
    }

    fn comparison(&mut self) -> Result<Comparison, GraphError> {
        let comparison = match self.peek() {
            Some(Token::Word(word)) => match word.to_ascii_lowercase().as_str() {
                "eq" => Comparison::Equal,
                "ne" => Comparison::NotEqual,
                "gt" => Comparison::Greater,
                "ge" => Comparison::GreaterOrEqual,
                "lt" => Comparison::Less,
                "le" => Comparison::LessOrEqual,
                _ => return Err(self.unexpected()),
            },
            _ => return Err(self.unexpected()),
        };
        self.position += 1;
        Ok(comparison)
    }

    fn literal(&mut self) -> Result<Literal, GraphError> {
        let literal = match self.peek() {
            Some(Token::Text(text)) => Literal::Text(text.clone()),
            Some(Token::Word(word)) => match word.as_str() {
                "null" => Literal::Null,
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                other => match other.parse() {
                    Ok(time) => Literal::Time(time),
                    Err(_) => Literal::Text(other.to_owned()),
                },
            },
            _ => return Err(self.unexpected()),
        };
        self.position += 1;
        Ok(literal)
    }

    fn word(&mut self) -> Result<String, GraphError> {
        let Some(Token::Word(word)) = self.peek() else {
            return Err(self.unexpected());
        };
        let word = word.clone();
        self.position += 1;
        Ok(word)
    }

    fn take_word(&mut self, expected: &str) -> bool {
        let found =
            matches!(self.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case(expected));
        self.position += usize::from(found);
        found
    }

    fn take(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, token: &Token) -> Result<(), GraphError> {
        if self.take(token) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn unexpected(&self) -> GraphError {
        invalid(&format!("Syntax error at token {}.", self.position))
    }
}

fn text_of(literal: Literal) -> Result<String, GraphError> {
    match literal {
        Literal::Text(text) => Ok(text),
        Literal::Time(time) => Ok(time.to_string()),
        Literal::Null | Literal::Bool(_) => Err(invalid("A string literal is expected.")),
    }
}

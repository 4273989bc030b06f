//! Reading a `$filter`: tokens in, a tree out; length, depth and size are bounded.

use super::{
    filter::{Comparison, ElementTest, Filter, Literal},
    lexer::{Token, invalid, tokens},
};
use crate::graph::error::GraphError;

const MAXIMUM_LENGTH: usize = 8192;
const MAXIMUM_DEPTH: usize = 24;

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
